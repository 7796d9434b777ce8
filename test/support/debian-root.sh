#!/usr/bin/env bash
# A clean system for tests of packages: a folder to change root into, which can be booted with systemd.
#
# Usage:  debian-root.sh make DIR     makes it from the cache, where debootstrap puts it the first time
#         debian-root.sh boot DIR [SOCKET [FILE]]    boots it in a container, with the Engine's SOCKET as FILE
#                                 (/run/docker.sock) in it, and prints the pid of its init
#         debian-root.sh reboot DIR [SOCKET [FILE]]  shuts it down in order and boots it again, likewise
#         debian-root.sh halt DIR     ends it, where it runs, and deletes the folder
# Input:  CRIDOCK_NODE_SYSTEM: bookworm (default) or trixie, which are Debian 12 and 13; ubuntu, which is trixie by Ubuntu's names; el, which
#         is bookworm laid out as Enterprise Linux: rpm and dnf in place of dpkg and apt, whose database says that it has the libraries
#         it has; arm64: bookworm for arm64, by qemu-user, which is not booted. CRIDOCK_DEBIAN_WITH: more packages for it, with commas.
# Exit:   0 done; 4 it cannot be had or booted here, the last line of stderr says why; 1 anything else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# A folder of this machine is none in there.
unset TMPDIR

command=${1:-} root=${2:-} engine_socket=${3:-} inside=${4:-/run/docker.sock}
[ -n "$root" ] || fail "usage: debian-root.sh make|boot|reboot|halt DIR"
# In the root itself only what every such system has; Node.js least of all.
packages=systemd,systemd-sysv,iptables,man-db
system=${CRIDOCK_NODE_SYSTEM:-bookworm}
architecture=$(dpkg --print-architecture)
case $system in
  bookworm) suite=bookworm ;;
  trixie | ubuntu) suite=trixie ;;
  el) suite=bookworm packages+=,rpm,dnf ;;
  arm64) suite=bookworm architecture=arm64 packages=libstdc++6,passwd,init-system-helpers ;;
  *) fail "unknown system: $system" ;;
esac
archive=$cache_dir/debian/root-$system-$architecture.tar
# More packages for this root: kept as an archive of its own.
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

# Programs of arm64 run by qemu.
understand_arm64() {
  local registered=/proc/sys/fs/binfmt_misc
  [ ! -e "$registered/qemu-aarch64" ] || return 0
  command -v qemu-aarch64-static >/dev/null || apt-get -qq -y --no-install-recommends install qemu-user-static >&2 || give_up 'no qemu-user-static'
  [ -e "$registered/register" ] || mount -t binfmt_misc binfmt_misc "$registered" || give_up 'no binfmt_misc'
  [ -e "$registered/qemu-aarch64" ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >"$registered/register" || give_up 'qemu-user cannot be registered'
}

# Ubuntu's archive is not asked: what its packages see is this.
lay_out_ubuntu() {
  printf 'PRETTY_NAME="Ubuntu 24.04 (laid out)"\nNAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n' >"$1/usr/lib/os-release"
}

# As Enterprise Linux: no dpkg, units are off unless someone enables them, and the rpm database knows what is there.
lay_out_el() {
  local program work
  rm -f "$1/etc/os-release"
  printf 'NAME="EL-like"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9"\n' >"$1/etc/os-release"
  for program in dpkg dpkg-query dpkg-deb apt-get apt deb-systemd-helper deb-systemd-invoke; do rm -f "$1/usr/bin/$program"; done
  mkdir -p "$1/usr/lib/systemd/system-preset" "$1/etc/dnf/vars"
  echo 'disable *' >"$1/usr/lib/systemd/system-preset/99-default-disable.preset"
  echo 9 >"$1/etc/dnf/vars/releasever"
  work=$(mktemp -d)
  "$("$repo_root/deploy/package/nfpm.sh")" package --config "$repo_root/test/support/el-base.yaml" --packager rpm --target "$work/base.rpm" >&2 || give_up 'no nfpm'
  cp "$work/base.rpm" "$1/root/base.rpm"
  chroot "$1" rpm --initdb
  chroot "$1" rpm -i /root/base.rpm >&2 || give_up 'rpm does not work here'
  rm -rf "$1/root/base.rpm" "$work"
}

make() {
  local tool work
  [ "$(id -u)" = 0 ] || give_up 'not root'
  for tool in debootstrap systemd-nspawn; do
    command -v "$tool" >/dev/null || apt-get -qq -y --no-install-recommends install debootstrap systemd-container >&2 ||
      give_up "no $tool"
  done
  if [ ! -e "$base" ]; then
    say "making $system with debootstrap (minutes, once)"
    mkdir -p "$(dirname "$archive")"
    [ "$system" != arm64 ] || understand_arm64
    work=$(mktemp -d)
    debootstrap --variant=minbase --arch="$architecture" --include="$packages" "$suite" "$work/root" >&2 || give_up 'debootstrap failed'
    rm -rf "$work"/root/var/cache/apt/archives/*.deb
    case $system in ubuntu | el) "lay_out_$system" "$work/root" ;; esac
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
  [ "$system" != arm64 ] || understand_arm64
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
