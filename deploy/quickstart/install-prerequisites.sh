#!/usr/bin/env bash
# Installs what cridock needs on a node and is missing, on Debian 12 or newer and Ubuntu: Docker Engine, the CNI
# plugins, iptables, iproute2, util-linux, a static busybox, crun. Safe to run again; what is there stays as it is.
#
# Usage:  install-prerequisites.sh [--without-engine]     --without-engine: all but Docker Engine
# Output: one line for each thing done. An Engine that already answers on /var/run/docker.sock is used. Without
#         systemd the Engine is started by hand: pid in /run/cridock-quickstart/dockerd.pid, log beside it.
# Exit:   0 all is there; 4 no Docker Engine can run here (the last line says why); 1 anything else.
set -euo pipefail

socket=/var/run/docker.sock
run=/run/cridock-quickstart
with_engine=true
case ${1:-} in
  '') ;;
  --without-engine) with_engine=false ;;
  *)
    echo "usage: install-prerequisites.sh [--without-engine]" >&2
    exit 1
    ;;
esac

no_engine() {
  echo "No Docker Engine can run here: $*"
  exit 4
}

engine_answers() {
  node -e '
    const request = require("node:http").get({ socketPath: process.argv[1], path: "/_ping", timeout: 5000 });
    request.on("response", (response) => process.exit(response.statusCode === 200 ? 0 : 1));
    request.on("error", () => process.exit(1)).on("timeout", () => process.exit(1));
  ' "$socket"
}

has() { command -v "$1" >/dev/null; }
has_plugins() { [ -x /opt/cni/bin/bridge ] || [ -x /usr/lib/cni/bridge ]; }

missing_packages() {
  has_plugins || echo containernetworking-plugins
  has iptables || echo iptables
  has ip || echo iproute2
  has nsenter || echo util-linux
  has busybox || echo busybox-static
  has crun || echo crun
  [ "$with_engine" = true ] || return 0
  engine_answers || has dockerd || echo docker.io ca-certificates
  # Part of docker.io on Debian 12, a package of its own later.
  has docker || apt-cache show docker-cli 2>/dev/null | sed -n 's/^Package: //p' | head -n 1
}

install_packages() {
  local packages
  packages=$(missing_packages | xargs)
  if [ -z "$packages" ]; then
    echo "Debian packages: all there"
    return
  fi
  if ! has apt-get; then
    [ "$with_engine" = false ] || no_engine "missing $packages, and no apt-get to install them with"
    echo "install-prerequisites: missing $packages, and no apt-get to install them with" >&2
    exit 1
  fi
  mkdir -p "$run"
  echo "Debian packages: reading the package lists"
  apt_get update
  packages=$(missing_packages | xargs)
  echo "Debian packages: installing $packages"
  # shellcheck disable=SC2086 # one argument for each package
  apt_get -y --no-install-recommends install $packages
}

# apt-get without questions; its output is shown only when it fails.
apt_get() {
  if ! DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >"$run/apt.log" 2>&1; then
    tail -n 20 "$run/apt.log" >&2
    echo "install-prerequisites: apt-get failed" >&2
    exit 1
  fi
}

# Waits until the Engine answers; gives up after a minute, or when the process PID (where given) has ended.
engine_comes_up() {
  local deadline=$((SECONDS + 60))
  until engine_answers; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    [ -z "${1:-}" ] || [ -e "/proc/$1" ] || return 1
    sleep 0.2
  done
}

start_engine() {
  local pid
  if engine_answers; then
    echo "Docker Engine: already running"
    return
  fi
  if [ -d /run/systemd/system ]; then
    systemctl start docker || no_engine "systemctl start docker failed (journalctl -u docker says more)"
    engine_comes_up || no_engine "the service docker does not answer on $socket"
    echo "Docker Engine: service docker started"
    return
  fi
  mkdir -p "$run"
  setsid dockerd -H "unix://$socket" --pidfile "$run/dockerd.pid" </dev/null >"$run/dockerd.log" 2>&1 &
  pid=$!
  if ! engine_comes_up "$pid"; then
    kill "$pid" 2>/dev/null || true
    no_engine "dockerd says: $(grep -E 'failed|rror' "$run/dockerd.log" | tail -n 1)"
  fi
  echo "Docker Engine: started by hand (pid $pid, log $run/dockerd.log)"
}

if [ "$(id -u)" != 0 ]; then
  [ "$with_engine" = false ] || no_engine "not root"
  echo "install-prerequisites: not root: nothing can be installed" >&2
  exit 1
fi
install_packages
if [ "$with_engine" = true ]; then start_engine; fi
