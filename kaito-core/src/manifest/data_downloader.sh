# Downloads every address of DATA_URLS into DATA_VOLUME_PATH, each in up to three attempts. A machine is paid for meanwhile: a server that sends less than 1000 bytes a second for five
# minutes (STALL_SECONDS) will not get far.
set -euf

fail() {
  echo "data-downloader: $*" | tee /dev/termination-log >&2
  exit 1
}

[ -n "${DATA_URLS:-}" ] || fail "DATA_URLS is empty: there is nothing to train with"

number=0
for url in $DATA_URLS; do
  number=$((number + 1))
  # What follows may be a signature: it is part of neither the file's name nor the log.
  shown=${url%%[?#]*}
  filename=${shown##*/}
  [ -n "$filename" ] || filename="data-$number"
  [ ! -e "$DATA_VOLUME_PATH/$filename" ] || filename="$number-$filename"
  attempt=1
  while true; do
    ended=0
    status=$(curl -gsSL --proto =http,https --connect-timeout 30 --speed-limit 1000 --speed-time "${STALL_SECONDS:-300}" -w "%{http_code}" -o "$DATA_VOLUME_PATH/$filename" "$url") || ended=$?
    if [ "$ended" -eq 0 ] && [ "$status" = 200 ] && [ -s "$DATA_VOLUME_PATH/$filename" ]; then
      echo "data-downloader: $shown is $DATA_VOLUME_PATH/$filename"
      break
    fi
    rm -f "$DATA_VOLUME_PATH/$filename"
    echo "data-downloader: $shown, attempt $attempt of 3: curl ended with $ended, HTTP status ${status:-none}, or the file is empty" >&2
    [ "$attempt" -lt 3 ] || fail "$shown cannot be downloaded: HTTP status ${status:-none}, curl ended with $ended"
    attempt=$((attempt + 1))
    sleep 2
  done
done
