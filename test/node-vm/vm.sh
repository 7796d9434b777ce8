#!/usr/bin/env bash
# Runs the node that make-image.sh makes, in qemu: software emulation, which every machine can do.
#
# Usage:  vm.sh up IMAGE              boots it, from a disk as new, and waits until systemd has started all
#         vm.sh run SCRIPT            runs a shell's words in it as root; the exit status is theirs
#         vm.sh put FILE... FOLDER    copies files and folders into a folder of the node
#         vm.sh get FILE... FOLDER    copies files and folders out of it
#         vm.sh socket PATH           gives a unix socket of the node a path here, and prints it; again after a reboot
#         vm.sh port ADDRESS:PORT     gives a port of the node the same address here, which must be this machine's too
#         vm.sh reboot                shuts it down in order and boots it again, from the disk as it is
#         vm.sh console               prints the end of what the kernel and systemd say
#         vm.sh down                  shuts it down in order, or ends it, and deletes its disk
# Input:  IMAGE, a folder of make-image.sh; CRIDOCK_VM_NAME (default "node"): several run side by side, each with a name;
#         CRIDOCK_VM_MEMORY in MiB (3072), CRIDOCK_VM_CPUS (1).
# Exit:   0 done; 4 no virtual machine can run here, the last line of stderr says why; else the command's or 1.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
# shellcheck source-path=SCRIPTDIR source=programs.sh
. "$repo_root/test/node-vm/programs.sh"

name=${CRIDOCK_VM_NAME:-node}
run=$run_dir/vm-$name
disk=$state_dir/vm-$name.qcow2
ssh=(ssh -S "$run/control" -o BatchMode=yes -o LogLevel=ERROR)

runs() { [ -s "$run/pid" ] && ! is_gone "$(cat "$run/pid")"; }
guest() { "${ssh[@]}" node "$@"; }
# An own connection that the others go through: to open one costs the node a second.
connect() {
  "${ssh[@]}" -fN -M -i "$run/ssh-key" -p "$(cat "$run/port")" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o ConnectTimeout=60 -o ServerAliveInterval=60 -o ServerAliveCountMax=10 -o StreamLocalBindUnlink=yes root@127.0.0.1 \
    </dev/null >/dev/null 2>&1
}
disconnect() { "${ssh[@]}" -O exit node 2>/dev/null || true; }
connected_or_ended() { ! runs || connect; }
is_off() { ! runs; }

# The first port from port_base + 5 on that nobody listens on: qemu itself says if it is taken in between.
free_port() {
  local port=$((port_base + 5))
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

boot() {
  local state
  free_port >"$run/port"
  # One processor: Linux patches its own code as it runs, as when the first CPU quota comes, and where several are emulated
  # one of them may still run a breakpoint that another has taken out already ("Oops: int3").
  # -no-reboot: a kernel that panics ends qemu instead of starting anew. no_timer_check: while it boots the kernel counts
  # ticks against the time, which a busy machine does not give it.
  nice -n 15 qemu-system-x86_64 -name "$name" -machine q35 -accel tcg,thread=multi,tb-size=1024 -cpu max \
    -smp "${CRIDOCK_VM_CPUS:-1}" -m "${CRIDOCK_VM_MEMORY:-3072}" -no-reboot -display none -monitor none -nodefaults \
    -serial "file:$run/console" -kernel "$run/image/vmlinuz" -initrd "$run/image/initrd.img" \
    -append "root=/dev/vda rw console=ttyS0 quiet apparmor=1 security=apparmor systemd.unified_cgroup_hierarchy=1 psi=1 mitigations=off nowatchdog no_timer_check panic=1 tsc=unstable random.trust_cpu=on systemd.show_status=0" \
    -drive "file=$disk,if=virtio,cache=unsafe,discard=unmap" -device virtio-rng-pci \
    -netdev "user,id=lan,hostfwd=tcp:127.0.0.1:$(cat "$run/port")-:22" -device virtio-net-pci,netdev=lan,romfile= \
    -pidfile "$run/pid" -daemonize
  # Where the kernel shares its time among sessions, a process is only nice to others of its own session.
  [ ! -e /proc/self/autogroup ] || echo 15 >"/proc/$(cat "$run/pid")/autogroup"
  # Slow machines are no failure: the limit only ends what will never come up.
  if wait_until 900 connected_or_ended && runs; then
    state=$(guest 'systemctl is-system-running --wait' || true)
    case $state in
      running) return ;;
      degraded) say "not all of the node has started: $(guest 'systemctl --failed --plain --no-legend')" ;;
    esac
  fi
  say 'the node did not come up; the end of its console:'
  tail -n 20 "$run/console" >&2
  return 1
}

halt() {
  local pid
  runs || return 0
  pid=$(cat "$run/pid")
  guest 'systemctl poweroff' >/dev/null 2>&1 || true
  disconnect
  wait_until 600 is_off || say 'the node did not shut down in order'
  stop_pid "$pid" "$disk" 10
}

up() {
  local image=$1 tool
  for tool in qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils ssh:openssh-client; do
    get_program "${tool%:*}" "${tool#*:}" || {
      say "no virtual machine can run here: no ${tool%:*}"
      exit 4
    }
  done
  down
  mkdir -p "$run" "$state_dir"
  ln -s "$image" "$run/image"
  install -m 600 "$image/ssh-key" "$run/ssh-key"
  qemu-img create -q -f qcow2 -b "$image/disk.img" -F raw "$disk"
  say "booting the node"
  boot || { down; exit 1; }
}

down() {
  halt
  rm -rf "$run" "$disk"
}

forward_socket() {
  local path
  path=$run/socket-$(basename "$1")
  "${ssh[@]}" -O cancel -L "$path:$1" node 2>/dev/null || true
  rm -f "$path"
  "${ssh[@]}" -O forward -L "$path:$1" node
  echo "$path"
}

# pack FILE...: a tar of them, without the folders that they are in. Its use in put and get is the same here and there.
pack='for path; do set -- "$@" -C "$(realpath "$(dirname "$path")")" "$(basename "$path")"; shift; done; tar -cf - "$@"'

usage='up IMAGE | run SCRIPT | put FILE... FOLDER | get FILE... FOLDER | socket PATH | port ADDRESS:PORT | reboot | console | down'
command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  run | put | get | socket | port)
    if ! runs; then
      tail -n 40 "$run/console" >&2 2>/dev/null || true
      fail 'the node does not run; above is the end of its console'
    fi
    ;;
esac
case $command:$# in
  up:1) up "$1" ;;
  run:1) exec "${ssh[@]}" node "$1" ;;
  put:[2-9]*) sh -c "$pack" sh "${@:1:$#-1}" | guest "mkdir -p '${*: -1}' && tar --no-same-owner -xf - -C '${*: -1}'" ;;
  get:[2-9]*)
    mkdir -p "${*: -1}"
    guest "sh -c '$pack' sh ${*:1:$#-1}" | tar -xf - -C "${*: -1}"
    ;;
  socket:1) forward_socket "$1" ;;
  port:1) "${ssh[@]}" -O forward -L "$1:$1" node ;;
  reboot:0) halt && boot ;;
  console:0) tail -n 50 "$run/console" ;;
  down:0) down ;;
  *) fail "usage: vm.sh $usage" ;;
esac
