#!/usr/bin/env bash
# Runs a Docker Engine of a chosen version for tests, apart from any Engine of the machine: own binaries, data,
# socket and bridge, and no firewall rules.
#
# Usage:  engine.sh start VERSION [OPTIONS]   starts it (or finds it running) and prints its socket's path
#         engine.sh halt VERSION [OPTIONS]    ends the daemon only, as a service manager would; start goes on with it
#         engine.sh restart VERSION [OPTIONS] ends the daemon and starts it; with --live-restore containers run on
#         engine.sh stop VERSION [OPTIONS]    removes its containers, networks and volumes, ends it, cleans up
#         engine.sh docker VERSION            prints the path of that version's docker command
#         engine.sh daemon VERSION            prints the path of that version's dockerd
#   VERSION: 20.10 (Debian 12), 26.1 (Debian 13), 28.5.2 (Debian unstable, which may have moved on: it says so) or
#            29.8 (28.5.2 with a daemon built from its Go module, the first time in some minutes).
#   Options: --containerd-store     images in containerd's store instead of graph drivers (26.1 and newer)
#            --name NAME            another Engine of the same version, with data of its own
#            --live-restore         containers outlive the daemon
#            --registry HOST:PORT   pulls go to this plain registry, whatever registry.k8s.io, k8s.gcr.io or gcr.io
#                                   reference they name (not with 26.1's containerd store)
# Input:  DOCKER_MIN_API_VERSION, if set, reaches the daemon: 1.44 imitates the floor of Engine 29.
#         CRIDOCK_TEST_COMPANION, if set, has the companion runtime (dist/libexec) found by the daemon's containerd, and a
#         runc that maps the owners of mounts.
#         CRIDOCK_TEST_RUNC, a folder with a runc that the daemon uses instead of Debian 12's (with 29.8: Debian unstable's).
# Output: stdout the path; progress on stderr. Log: /run/cridock-test/<name>/dockerd.log. Images stay in
#         /var/lib/cridock-test/<name> for the next start.
# Exit:   0 done; 3 the daemon cannot be built here (no Go, or no module proxy); 4 no Engine can run here (not root, or
#         the daemon did not start); 1 anything else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Prints the folder with that version's binaries, downloading them first where needed.
binaries() {
  local packages=(docker.io containerd docker-cli) suite runc dir
  case $version in
    20.10) suite=bookworm packages=(docker.io containerd tini libdevmapper1.02.1) ;;
    26.1) suite=trixie packages+=(tini) ;;
    28.5.2 | 29.8) suite=sid packages+=(tini-static) ;;
    *) fail "unknown Engine version $version (there are 20.10, 26.1, 28.5.2 and 29.8)" ;;
  esac
  dir=$(unpacked_debian "$suite" "${packages[@]}")
  if [ ! -e "$dir/usr/sbin/runc" ]; then
    # Always Debian 12's: newer ones need a newer libc than the machine may have.
    runc=$(unpacked_debian bookworm runc)
    cp "$runc/usr/sbin/runc" "$dir/usr/sbin/.runc.$$"
    mv "$dir/usr/sbin/.runc.$$" "$dir/usr/sbin/runc"
  fi
  [ "$version" = 29.8 ] || grep -q "^docker.io_$version" "$dir/packages.txt" ||
    say "Debian $suite now has $(grep '^docker.io_' "$dir/packages.txt") instead of $version"
  echo "$dir"
}

# The daemon alone: no Debian has Engine 29, whose other parts may be of the one before.
daemon() {
  if [ "$version" = 29.8 ]; then
    "$repo_root/test/support/build-dockerd.sh" 29.8.0 v2.0.0-beta.24
  else
    echo "$bin/usr/sbin/dockerd"
  fi
}

# Prints the folder of a runc as new as Engine 29 needs: it asks for a time namespace, which Debian 12's does not know.
# Debian unstable's, with the C library of its own that it needs, whose path is written into it.
newer_runc() {
  local unpacked patchelf loader
  unpacked=$(unpacked_debian sid runc libc6 libseccomp2)
  if [ ! -e "$unpacked/patched/runc" ]; then
    patchelf=$(unpacked_debian bookworm patchelf)
    loader=$(find "$unpacked" -name 'ld-linux*.so.*' | head -n 1)
    mkdir -p "$unpacked/patched"
    cp "$unpacked/usr/sbin/runc" "$unpacked/patched/.runc.$$"
    "$patchelf/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$(find "$unpacked" -name libc.so.6)")" \
      "$unpacked/patched/.runc.$$"
    mv "$unpacked/patched/.runc.$$" "$unpacked/patched/runc"
  fi
  echo "$unpacked/patched"
}

# A bridge made beforehand: with none of its own a second daemon deletes the docker0 of the first. Its subnet is
# derived from the name, so that Engines of different names do not meet.
make_bridge() {
  ip link show "$bridge" >/dev/null 2>&1 && return
  ip link add "$bridge" type bridge &&
    ip address add "10.213.$(($(echo "$scope$name" | cksum | cut -d' ' -f1) % 254 + 1)).1/24" dev "$bridge" &&
    ip link set "$bridge" up
}

answers() { DOCKER_CONFIG=/nonexistent "$bin/usr/bin/docker" -H "unix://$socket" version; }

answers_or_ended() { answers || is_gone "$(cat "$run/started.pid")"; }

# Ends the daemon, and what a killed daemon has left: its containerd and the shims, known by our exec-root.
end_processes() {
  local pid
  if [ -r "$run/dockerd.pid" ]; then
    stop_pid "$(cat "$run/dockerd.pid")" "$run/exec" 40
  fi
  { grep -lF -- "$run/exec" /proc/[0-9]*/cmdline 2>/dev/null || true; } | cut -d/ -f3 |
    while read -r pid; do stop_pid "$pid" "$run/exec" 5; done
  rm -f "$run/dockerd.pid" "$socket"
}

# Unmounts what a daemon that has ended left mounted. A daemon that ends unmounts its data folder while a start may
# still be at work (seen with 20.10): that container's mount then lies below the next daemon's, which cannot remove it.
unmount_left() {
  unmount_in "$run"
  unmount_in "$data"
}

clean_up() {
  end_processes
  unmount_left
  if ip link show "$bridge" >/dev/null 2>&1; then ip link delete "$bridge"; fi
  rm -rf "$run"
}

remove_containers() {
  local docker=("$bin/usr/bin/docker" -H "unix://$socket") ids
  ids=$("${docker[@]}" ps -aq)
  # shellcheck disable=SC2086 # one argument for each id
  [ -z "$ids" ] || "${docker[@]}" rm -fv $ids >/dev/null
}

# "keep" leaves alone what runs apart from the daemon.
start() {
  local arguments program goes_on=false
  if answers >/dev/null 2>&1; then
    say "$name is running already"
    echo "$socket"
    return
  fi
  program=$(daemon)
  [ "$version" != 29.8 ] && [ -z "$companion" ] || runc_folder=${runc_folder:-$(newer_runc)}
  [ "${1:-}" = keep ] || end_processes
  # With live-restore containers may run on in their mounts.
  [ "$live_restore" = true ] || unmount_left
  if [ "${1:-}" = keep ] || [ -e "$run/halted" ]; then goes_on=true; fi
  rm -f "$run/halted"
  mkdir -p "$run/exec" "$data"
  chmod 711 "$run"
  if ! make_bridge; then
    clean_up
    say 'no Docker Engine can run here: it needs a network bridge'
    exit 4
  fi
  # A config file of our own: the machine's /etc/docker/daemon.json is for its own Engine.
  # Runtimes for pods that name one as their handler. Debian 12's crun is too old for the newer Engines.
  settings='"runtimes": {"crun": {"path": "'$repo_root'/test/support/crun.sh"}, "second-runc": {"path": "runc"}}, "live-restore": '$live_restore
  # Before 23 the Engine knows no shims by name.
  [ -z "$companion" ] || [ "$version" != 20.10 ] ||
    settings=${settings/'"second-runc"'/'"cridock": {"path": "'$repo_root'/dist/libexec/oci/runc"}, "second-runc"'}
  printf '{%s, "features": {"containerd-snapshotter": %s}}\n' "$settings" "$containerd_store" >"$run/daemon.json"
  [ "$version" != 20.10 ] || echo "{$settings}" >"$run/daemon.json"
  arguments=(--config-file "$run/daemon.json" --data-root "$data" --exec-root "$run/exec"
    --pidfile "$run/dockerd.pid" -H "unix://$socket" --bridge "$bridge" --iptables=false --ip6tables=false
    --containerd-namespace "cridock-$name" --containerd-plugins-namespace "cridock-$name-plugins")
  for host in registry.k8s.io k8s.gcr.io gcr.io; do arguments+=(--insecure-registry "$host"); done
  (
    export PATH="${companion:+$companion:}${runc_folder:+$runc_folder:}$bin/usr/bin:$bin/usr/sbin:$PATH"
    libraries=("$bin"/lib/*-linux-gnu) # 20.10 needs one that the machine may lack
    [ ! -d "${libraries[0]}" ] || export LD_LIBRARY_PATH="${libraries[0]}"
    if [ -n "$registry" ]; then
      # A plain registry answers a proxy's requests as if they were its own: no name has to resolve to it. TLS is
      # tried first, and must be refused (port 1) for the Engine to go on without.
      export HTTP_PROXY="http://$registry" HTTPS_PROXY=http://127.0.0.1:1 NO_PROXY=127.0.0.1,localhost
    fi
    setsid "$program" "${arguments[@]}" </dev/null >"$run/dockerd.log" 2>&1 &
    echo $! >"$run/started.pid"
  )
  # A busy machine takes its time, and what follows takes the Engine away from those that had it.
  if ! wait_until 240 answers_or_ended || ! answers >/dev/null 2>&1; then
    tail -n 20 "$run/dockerd.log" >&2
    clean_up
    say "no Docker Engine can run here: $name did not start, the last lines of its log are above"
    exit 4
  fi
  # A run that was killed has left its containers.
  [ "$goes_on" = true ] || remove_containers
  echo "$socket"
}

restart() {
  if [ -r "$run/dockerd.pid" ]; then stop_pid "$(cat "$run/dockerd.pid")" "$run/exec" 40; fi
  start keep
}

stop() {
  local docker=("$bin/usr/bin/docker" -H "unix://$socket")
  if answers >/dev/null 2>&1; then
    # One that cannot be removed goes with the Engine, or when it is started next.
    remove_containers || say "containers of $name stay"
    "${docker[@]}" network prune -f >/dev/null
    "${docker[@]}" volume prune -f >/dev/null
    "${docker[@]}" image prune -f >/dev/null # those without a name: what newer ones have replaced
  fi
  clean_up
}

command=${1:-} version=${2:-}
[ -n "$version" ] || fail "usage: engine.sh start|restart|halt|stop|docker|daemon VERSION [--containerd-store] [--live-restore] [--name NAME] [--registry HOST:PORT]"
shift 2
suffix='' containerd_store=false live_restore=false registry=''
while [ $# -gt 0 ]; do
  case $1 in
    --containerd-store) containerd_store=true ;;
    --live-restore) live_restore=true ;;
    --name) suffix=-$2 && shift ;;
    --registry) registry=$2 && shift ;;
    *) fail "unknown option $1" ;;
  esac
  shift
done
if [ "$(id -u)" != 0 ]; then
  say "no Docker Engine can run here: not root"
  exit 4
fi
name=$version$suffix
if [ "$containerd_store" = true ]; then
  [ "$version" != 20.10 ] || fail "Engine 20.10 has no containerd image store"
  name=$name-containerd
fi
run=$run_dir/$name
data=$state_dir/$name
socket=$run/docker.sock
bridge=crdk$(echo "$scope$name" | sha256sum | cut -c1-8)
runc_folder=${CRIDOCK_TEST_RUNC:-}
companion=${CRIDOCK_TEST_COMPANION:+$repo_root/dist/libexec}
bin=$(binaries)

case $command in
  start) start ;;
  restart) restart ;;
  halt) end_processes && touch "$run/halted" ;;
  stop) stop ;;
  docker) echo "$bin/usr/bin/docker" ;;
  daemon) daemon ;;
  *) fail "unknown command $command" ;;
esac
