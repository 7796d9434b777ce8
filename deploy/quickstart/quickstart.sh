#!/usr/bin/env bash
# `npm run quickstart`: from a fresh clone to a running pod. Installs what is missing, builds cridock, starts it on
# /run/cri-dockerd.sock beside the machine's Docker Engine and runs a demonstration pod through it.
#
# Usage:  quickstart.sh [--keep]    --keep: leave cridock, and an Engine started here, running at the end
# Input:  CRIDOCK_ENGINE=none shows what happens on a machine that can run no Docker Engine.
# Output: numbered steps. Logs and pid files in /run/cridock-quickstart. Stays on the machine: the Debian packages,
#         a pause image, and a CNI network in /etc/cni/net.d if there was none.
# Where no Docker Engine can run, the demonstration runs against a stand-in for one, and says so.
set -euo pipefail

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
run=/run/cridock-quickstart
[ "$(id -u)" = 0 ] || run=$(mktemp -d)
mkdir -p "$run"
socket=/run/cri-dockerd.sock
engine=/var/run/docker.sock
pause_image=registry.k8s.io/pause:3.10
demo_image=cridock-quickstart/busybox:latest
cni_conf_dir=/etc/cni/net.d
bridge=cridock0
# shellcheck disable=SC2054 # the comma is within one argument
flags=(--docker-endpoint "unix://$engine" --pod-infra-container-image "$pause_image" --cni-bin-dir /opt/cni/bin,/usr/lib/cni)

keep=false
case ${1:-} in
  '') ;;
  --keep) keep=true ;;
  *)
    echo "usage: quickstart.sh [--keep]" >&2
    exit 1
    ;;
esac

step() { printf '[%s/8] %s\n' "$1" "$2"; }
detail() { sed 's/^/      /'; }
fail() {
  echo "quickstart: $*" >&2
  exit 1
}
# Runs a command whose output matters only when it fails.
quietly() {
  if ! "$@" </dev/null >"$run/output.log" 2>&1; then
    tail -n 30 "$run/output.log" >&2
    fail "failed: $*"
  fi
}

# A process that has ended but that nobody has waited for yet is not alive.
is_alive() { [ -n "$1" ] && [ -e "/proc/$1/status" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
pid_in() { cat "$1" 2>/dev/null || true; }
# Ends a process that this script started, and waits for it.
end() {
  local pid=$1 tries=0
  is_alive "$pid" || return 0
  kill "$pid"
  while is_alive "$pid" && [ "$tries" -lt 400 ]; do
    tries=$((tries + 1))
    [ "$tries" -ne 300 ] || kill -KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
}

accepts() {
  node -e '
    const socket = require("node:net").connect(process.argv[1]);
    socket.on("connect", () => process.exit(0)).on("error", () => process.exit(1));
  ' "$1"
}

engine_was_started=false
cridock_pid=''
leave() {
  [ "$(id -u)" = 0 ] || rm -rf "$run"
  if [ "$keep" = true ]; then return; fi
  end "$cridock_pid"
  if [ -n "$cridock_pid" ]; then docker -H "unix://$engine" rmi "$demo_image" >/dev/null 2>&1 || true; fi
  # Only the demonstration's pod was on our bridge, unless somebody else has joined in.
  if [ -e "/sys/class/net/$bridge" ] && [ -z "$(ls "/sys/class/net/$bridge/brif")" ]; then
    ip link delete "$bridge"
  fi
  if [ "$engine_was_started" = true ] && [ -z "$(docker -H "unix://$engine" ps -q 2>/dev/null)" ]; then
    end "$(pid_in "$run/dockerd.pid")"
    # Its bridge outlives it.
    if [ -e /sys/class/net/docker0 ]; then ip link delete docker0; fi
  fi
}
trap leave EXIT
trap 'exit 130' INT TERM

install_npm_packages() {
  step 1 'npm packages'
  command -v npm >/dev/null || fail 'npm is needed, with any Node.js that it runs on'
  # cridock runs on the Node.js that it ships with.
  PATH=$(deploy/package/node.sh):$PATH
  # npm notes in this file what it has installed.
  [ node_modules/.package-lock.json -nt package-lock.json ] || quietly npm ci --no-audit --no-fund
}

build() {
  step 2 'build'
  quietly npm run build
}

# Sets no_engine to the reason where no Engine can run.
prepare_machine() {
  local status=0 pid_before
  step 3 'Docker Engine, CNI plugins and tools'
  if [ "${CRIDOCK_ENGINE:-}" = none ]; then
    no_engine='No Docker Engine can run here: CRIDOCK_ENGINE=none'
    return
  fi
  pid_before=$(pid_in "$run/dockerd.pid")
  deploy/quickstart/install-prerequisites.sh >"$run/prerequisites.log" || status=$?
  case $status in
    0) detail <"$run/prerequisites.log" ;;
    4) no_engine=$(tail -n 1 "$run/prerequisites.log") ;;
    *) fail 'the prerequisites could not be installed' ;;
  esac
  if is_alive "$(pid_in "$run/dockerd.pid")" && [ "$(pid_in "$run/dockerd.pid")" != "$pid_before" ]; then
    engine_was_started=true
  fi
}

write_network() {
  local number=88
  step 4 "CNI network in $cni_conf_dir"
  if [ -n "$(find "$cni_conf_dir" -maxdepth 1 \( -name '*.conf' -o -name '*.conflist' -o -name '*.json' \) 2>/dev/null)" ]; then
    echo 'there is one' | detail
    return
  fi
  # Not `grep -q`, which leaves `ip` to fail on a closed pipe.
  while ip -4 route show table all | grep -E "\b10\.$number\." >/dev/null; do number=$((number + 1)); done
  mkdir -p "$cni_conf_dir"
  # firewall: Docker sets the policy of forwarded packets to DROP, so pods need rules that let theirs pass.
  cat >"$cni_conf_dir/10-cridock.conflist" <<CONFLIST
{
  "cniVersion": "1.0.0",
  "name": "cridock",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$bridge",
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "10.$number.0.0/16" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "firewall" }
  ]
}
CONFLIST
  echo "10-cridock.conflist written: bridge $bridge, 10.$number.0.0/16" | detail
}

has_image() { docker -H "unix://$engine" image inspect "$1" >/dev/null 2>&1; }

provide_images() {
  step 5 'images'
  if has_image "$pause_image" || timeout 60 docker -H "unix://$engine" pull -q "$pause_image" >/dev/null 2>&1; then
    echo "$pause_image is there" | detail
  else
    echo "$pause_image cannot be pulled" | detail
    deploy/quickstart/make-image.sh pause "unix://$engine" "$pause_image" | detail
  fi
  has_image "$demo_image" || deploy/quickstart/make-image.sh busybox "unix://$engine" "$demo_image" | detail
}

start_cridock() {
  step 6 "cridock on $socket"
  if accepts "$socket"; then
    fail "a CRI server answers on $socket already (pid $(pid_in "$run/cridock.pid"), if an earlier --keep started it): stop it first"
  fi
  setsid node --enable-source-maps dist/src/main.js --container-runtime-endpoint "unix://$socket" "${flags[@]}" \
    </dev/null >"$run/cridock.log" 2>&1 &
  cridock_pid=$!
  echo "$cridock_pid" >"$run/cridock.pid"
  until accepts "$socket"; do
    if ! is_alive "$cridock_pid"; then
      tail -n 20 "$run/cridock.log" >&2
      fail 'cridock did not start'
    fi
    sleep 0.1
  done
  echo "pid $cridock_pid, log $run/cridock.log" | detail
}

show_pod() {
  step 7 'a pod'
  if ! node --enable-source-maps dist/deploy/quickstart/demo.js "$socket" "$demo_image"; then
    tail -n 20 "$run/cridock.log" >&2
    fail 'the demonstration failed; above are the last lines of the log of cridock'
  fi
}

say_how_to_go_on() {
  step 8 'done: how to go on'
  detail <<TEXT
Run cridock for yourself (an Engine must run; deploy/quickstart/install-prerequisites.sh starts one):
  node dist/src/main.js --container-runtime-endpoint unix://$socket \\
    ${flags[*]:0:4} \\
    ${flags[*]:4}
Or leave it running from here:   npm run quickstart -- --keep
crictl finds it with this /etc/crictl.yaml:
  runtime-endpoint: unix://$socket
kubeadm and the kubelet:
  kubeadm init --cri-socket unix://$socket
  kubelet --container-runtime-endpoint=unix://$socket
TEXT
  if [ "$keep" = true ]; then
    echo "cridock runs on: pid $cridock_pid, log $run/cridock.log. End it with: kill $cridock_pid" | detail
    if [ "$engine_was_started" = true ]; then
      echo "So does the Docker Engine started here: kill $(pid_in "$run/dockerd.pid") ends it." | detail
    fi
  fi
}

no_engine=''
install_npm_packages
build
prepare_machine
if [ -n "$no_engine" ]; then
  echo "$no_engine"
  echo 'What follows runs against a fake Engine in memory: no real container is started.'
  node --enable-source-maps dist/deploy/quickstart/fake-engine-demo.js
  exit
fi
write_network
provide_images
start_cridock
show_pod
say_how_to_go_on
