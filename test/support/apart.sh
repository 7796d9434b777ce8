#!/usr/bin/env bash
# Runs a command in a mount namespace of its own, where the Engines' data lie on a file system of their own: whatever it mounts,
# unmounts or destroys there, the machine's own mounts and other Engines are not touched.
#
# Usage:  apart.sh COMMAND...
# Output: the command's; CRIDOCK_TEST_APART=1 is in its environment. Its exit status; 4 where there is no such namespace.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${CRIDOCK_TEST_APART:-}" = 1 ]; then exec "$@"; fi
[ "$(id -u)" = 0 ] || { say 'not root' && exit 4; }
image=$state_dir.img
mkdir -p "$state_dir" /run/cridock /run/containerd "$run_dir"
if [ ! -e "$image" ]; then
  truncate -s 24G "$image.new"
  mkfs.ext4 -q -F "$image.new"
  mv "$image.new" "$image"
fi
export CRIDOCK_TEST_APART=1
# One at a time: a file system that is mounted from two loop devices is lost. What is started holds the lock too.
exec 7>"$image.lock"
flock 7
# Copies of other Engines' mounts are let go, here alone: they would come and go with these Engines. Then everything is shared,
# as systemd has it, but with nobody outside.
# shellcheck disable=SC2016 # filled in by the shell in there
exec unshare --mount --propagation private sh -c '
  grep -E " /(run|var/lib)/cridock-test" /proc/self/mounts | cut -d" " -f2 | tac | while read -r path; do umount -l "$path" 2>/dev/null; done
  mount -o loop "$1" "$2" || echo "apart: no loop device: data stay on the machine'"'"'s own disk" >&2
  mount -t tmpfs -o mode=755 tmpfs /run/cridock && mount -t tmpfs -o mode=755 tmpfs /run/containerd &&
  mount --make-rshared / && shift 2 && exec "$@"' sh "$image" "$state_dir" "$@"
