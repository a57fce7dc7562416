# Waits for the result of the training, and pushes the adapter as an image with the files in its folder /data.
set -eu

fail() {
  echo "pusher: $*" | tee /dev/termination-log >&2
  exit 1
}

# The pod has ended when all its containers have. The first process is the pod's own and ends by itself.
end_pause() {
  for comm in /proc/[0-9]*/comm; do
    pid=${comm#/proc/}
    pid=${pid%/comm}
    name=
    { read -r name <"$comm"; } 2>/dev/null || continue
    if [ "$name" = pause ] && [ "$pid" -ne 1 ]; then
      kill -TERM "$pid" 2>/dev/null || true
    fi
  done
}
trap end_pause EXIT
trap 'exit 143' TERM INT

# Whether a process has the training program on its command line. The brackets keep this script from finding itself.
training_runs() {
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q 'fine_tunin[g][.]py'
}

# Its image may be waited for far longer than ours. The end is for a training that was over before anybody looked.
seen=no
silent=0
while [ ! -e "$SENTINEL_PATH" ]; do
  if training_runs; then
    seen=yes
  elif [ -e "$SENTINEL_PATH" ]; then
    break
  elif [ "$seen" = yes ]; then
    fail "the training has ended without a result: there is no $SENTINEL_PATH"
  else
    silent=$((silent + 1))
    [ "$silent" -lt 21600 ] || fail "no training was seen in 6 hours"
  fi
  sleep 1
done

work=$(mktemp -d)
cd "$work"
mkdir data
for file in adapter_config.json adapter_model.safetensors; do
  [ -s "$VOL_DIR/$file" ] || fail "the training has ended, and $VOL_DIR/$file is missing or empty"
  cp "$VOL_DIR/$file" data/
done
tar -cf layer.tar data
diff_id=$(sha256sum layer.tar | cut -d ' ' -f 1)
gzip -9 layer.tar
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff_id" >config.json
printf '%s' "$ANNOTATIONS_DATA" >annotations.json
oras push --disable-path-validation --annotation-file annotations.json \
  --config config.json:application/vnd.oci.image.config.v1+json \
  --oci-layout layout:latest layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip ||
  fail "the adapter cannot be packed"

# Hours of training stand behind this: a registry that stumbles is asked again.
attempt=1
until oras cp --from-oci-layout layout:latest "$IMG_REF"; do
  [ "$attempt" -lt 5 ] || fail "$IMG_REF cannot be pushed, after $attempt attempts: see the log of this container"
  sleep $((attempt * attempt * 5))
  attempt=$((attempt + 1))
done
echo "pusher: $IMG_REF is pushed"
