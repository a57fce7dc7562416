# Brings the directory /data of a container image into a directory.
# Arguments: image, target directory, directory with credentials (<any>/<any>.json), a file that must have come (or nothing).
set -eu
image=$1 target=$2 credentials=$3 must_hold=${4:-}

say() { echo "puller: $*" >&2; }
fail() { say "$*"; exit 1; }

# On the volume of the target, so that moving is renaming; a rest of an earlier attempt is in the way.
work=$target/.pulling
mkdir -p "$target"
rm -rf "$work"
mkdir "$work"

pull() {
  rm -rf "$work/image"
  skopeo copy --dest-decompress "$@" "docker://$image" "dir:$work/image"
}

pull_somehow() {
  say "pulling $image without credentials"
  if pull --src-no-creds; then return 0; fi
  tried=0
  for file in "$credentials"/*/*.json "$credentials"/*.json; do
    [ -f "$file" ] || continue
    tried=$((tried + 1))
    say "pulling $image with the credentials of ${file##*/}"
    if pull --src-authfile "$file"; then return 0; fi
  done
  fail "cannot pull $image: neither without credentials nor with any of the $tried given; see the registry's answers above"
}
pull_somehow

# Only /data is taken: the rest of the image, devices and all, stays where it is.
root=$work/root
mkdir "$root"
skopeo inspect --no-tags --format '{{with .Layers}}{{range .}}{{println .}}{{end}}{{end}}' "dir:$work/image" >"$work/layers" ||
  fail "cannot read the layers of $image"
left=$(cat "$work/layers")
while read -r digest; do
  [ -n "$digest" ] || continue
  left=${left#*"$digest"}
  layer=$work/image/${digest#*:}
  [ -f "$layer" ] || fail "layer $digest of $image is missing"
  for name in data ./data; do
    if tar -tf "$layer" "$name" >/dev/null 2>&1; then
      tar -xf "$layer" -C "$root" --no-same-owner "$name" || fail "cannot unpack layer $digest of $image"
    fi
  done
  # An image may have a layer twice.
  case $left in *"$digest"*) ;; *) rm -f "$layer" ;; esac
done <"$work/layers"

if [ ! -d "$root/data" ] || [ -L "$root/data" ]; then
  fail "$image has no directory /data; put the files there"
fi
for entry in "$root"/data/* "$root"/data/.[!.]* "$root"/data/..?*; do
  if [ ! -e "$entry" ] && [ ! -L "$entry" ]; then continue; fi
  rm -rf "${target:?}/${entry##*/}"
  mv "$entry" "$target/"
done
rm -rf "$work"
if [ -n "$must_hold" ] && [ ! -f "$target/$must_hold" ]; then
  fail "$image has no file /data/$must_hold"
fi
say "$image is in $target"
