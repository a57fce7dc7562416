# Copies an image and unpacks the files of its folder /data, trying each credential that is mounted.
set -eu

fail() {
  echo "puller: $*" | tee /dev/termination-log >&2
  exit 1
}

work=$(mktemp -d)
pulled=no
for credentials in "" /root/.docker/config.d/*/*.json; do
  if [ -n "$credentials" ]; then
    [ -e "$credentials" ] || continue
    set -- --src-authfile "$credentials"
  else
    set --
  fi
  if skopeo copy "$@" "docker://$IMG_REF" "dir:$work/image"; then
    pulled=yes
    break
  fi
done
[ "$pulled" = yes ] || fail "$IMG_REF cannot be pulled with any of the credentials"

mkdir "$work/files"
# The manifest lists the layers from the first to the last.
tr -d ' \n' <"$work/image/manifest.json" | sed 's/.*"layers":\[//' | tr ',' '\n' |
  sed -n 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/p' | while read -r digest; do
  tar -xzf "$work/image/$digest" -C "$work/files" || tar -xf "$work/image/$digest" -C "$work/files"
done
[ -d "$work/files/data" ] || fail "$IMG_REF has no folder /data"
cp -R "$work/files/data/." "$VOL_DIR/"
echo "puller: $IMG_REF is in $VOL_DIR"
