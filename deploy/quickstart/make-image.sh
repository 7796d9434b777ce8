#!/usr/bin/env bash
# Makes a small image on this machine, for where none can be pulled, and tags it in a Docker Engine.
#
# Usage:  make-image.sh pause|busybox ENDPOINT REFERENCE      such as: pause unix:///var/run/docker.sock pause:3.10
#         pause    a static program that waits; compiled where there is a C compiler, else done by busybox's shell
#         busybox  the static busybox with a link for each of its commands
# Input:  DOCKER, the docker command (default: docker on PATH); BUSYBOX, a static busybox (default: busybox on PATH).
# Output: one line that says what was made.
set -euo pipefail

kind=$1 endpoint=$2 reference=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
busybox=${BUSYBOX:-$(command -v busybox || true)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp}
chmod 755 "$root"
chmod 1777 "$root/tmp"

need_busybox() {
  if [ -z "$busybox" ]; then
    echo "make-image: no busybox on this machine (Debian package busybox-static)" >&2
    exit 1
  fi
  cp "$busybox" "$root/bin/busybox"
}

case $kind in
  pause)
    if cc -Os -static -s -o "$root/pause" "$here/pause.c" 2>/dev/null; then
      change='ENTRYPOINT ["/pause"]' how='compiled from pause.c'
    else
      need_busybox
      # The shell handles a signal only between commands, or while it waits for one in the background.
      change='ENTRYPOINT ["/bin/busybox", "sh", "-c", "trap \"exit 0\" INT TERM; while :; do sleep 86400 & wait $!; done"]'
      how="done by busybox's shell"
    fi
    ;;
  busybox)
    need_busybox
    # Hard links, so that a mount over one command hides only that one.
    "$busybox" --list | grep -vx busybox | while read -r name; do ln "$root/bin/busybox" "$root/bin/$name"; done
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    change='CMD ["sh"]' how="from $busybox"
    ;;
  *)
    echo "make-image: pause or busybox, not $kind" >&2
    exit 1
    ;;
esac
tar -C "$root" -c . | "${DOCKER:-docker}" -H "$endpoint" import -c "$change" - "$reference" >/dev/null
echo "$reference made on this machine, $how"
