#!/usr/bin/env bash
# A clean Debian 12 for tests of the package: a folder to change root into, which can be booted with systemd.
#
# Usage:  debian-root.sh make DIR     makes it from the cache, where debootstrap puts it the first time
#         debian-root.sh boot DIR [SOCKET [FILE]]    boots it in a container, with the Engine's SOCKET as FILE
#                                 (/run/docker.sock) in it, and prints the pid of its init
#         debian-root.sh reboot DIR [SOCKET [FILE]]  shuts it down in order and boots it again, likewise
#         debian-root.sh halt DIR     ends it, where it runs, and deletes the folder
# Exit:   0 done; 4 it cannot be had or booted here, the last line of stderr says why; 1 anything else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command=${1:-} root=${2:-} engine_socket=${3:-} inside=${4:-/run/docker.sock}
[ -n "$root" ] || fail "usage: debian-root.sh make|boot|reboot|halt DIR"
# In the root itself only what every Debian has; Node.js least of all.
packages=systemd,systemd-sysv,iptables,man-db
archive=$cache_dir/debian/root-bookworm-$(dpkg --print-architecture).tar
# More packages for this root, with commas between them: kept as an archive of its own.
more=${CRIDOCK_DEBIAN_WITH:-}
base=$archive
[ -z "$more" ] || archive=${archive%.tar}-$(echo "$more" | cksum | cut -d' ' -f1).tar

give_up() {
  say "$*"
  exit 4
}

# keep_root FOLDER ARCHIVE: a run that is cut off leaves no half an archive.
keep_root() {
  tar -C "$1" -cf "$2.$$" .
  mv "$2.$$" "$2"
}

make() {
  local tool work
  [ "$(id -u)" = 0 ] || give_up 'not root'
  for tool in debootstrap systemd-nspawn; do
    command -v "$tool" >/dev/null || apt-get -qq -y --no-install-recommends install debootstrap systemd-container >&2 ||
      give_up "no $tool"
  done
  if [ ! -e "$base" ]; then
    say 'making a Debian 12 with debootstrap (a minute, once)'
    mkdir -p "$(dirname "$archive")"
    work=$(mktemp -d)
    debootstrap --variant=minbase --include="$packages" bookworm "$work/root" >&2 || give_up 'debootstrap failed'
    rm -rf "$work"/root/var/cache/apt/archives/*.deb
    keep_root "$work/root" "$base"
    rm -rf "$work"
  fi
  if [ ! -e "$archive" ]; then
    say "adding $more (once)"
    work=$(mktemp -d)
    tar -C "$work" -xf "$base"
    cp /etc/resolv.conf "$work/etc/resolv.conf"
    # shellcheck disable=SC2046 # a word for each package
    { chroot "$work" apt-get -qq update &&
      DEBIAN_FRONTEND=noninteractive chroot "$work" apt-get -qq -y --no-install-recommends install $(echo "$more" | tr , ' ') &&
      chroot "$work" apt-get clean; } >&2 || give_up "cannot install $more"
    keep_root "$work" "$archive"
    rm -rf "$work"
  fi
  mkdir -p "$root"
  tar -C "$root" -xf "$archive"
}

# The container's init, once its systemd takes commands.
init_of() { pgrep -P "$(cat "$root.pid")"; }
within() { nsenter -t "$(init_of)" -m -u -i -n -p -- "$@"; }
is_up() { within systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; }

boot() {
  # A network of its own, with loopback alone: sysctls, iptables and ports are not the host's.
  setsid systemd-nspawn --private-network ${engine_socket:+"--bind=$engine_socket:$inside"} --quiet --directory "$root" --register=no --keep-unit --console=pipe --boot \
    </dev/null >"$root.log" 2>&1 &
  echo $! >"$root.pid"
  wait_until 60 is_up || give_up "systemd does not come up: $(tail -n 1 "$root.log")"
  init_of
}

reboot() {
  # Without a message bus systemctl says so, and asks the init itself.
  within systemctl poweroff 2>/dev/null || true
  wait_until 120 is_gone "$(cat "$root.pid")" || give_up "systemd does not shut down: $(tail -n 1 "$root.log")"
  boot
}

halt() {
  if [ -e "$root.pid" ]; then stop_pid "$(cat "$root.pid")" "$root" 30 || true; fi
  rm -rf "$root" "$root.pid" "$root.log"
}

case $command in
  make | boot | reboot | halt) "$command" ;;
  *) fail "unknown command: $command" ;;
esac
