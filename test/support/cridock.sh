#!/usr/bin/env bash
# Runs the built cridock for tests, apart from any CRI server of the machine: own socket, state and CNI network.
#
# Usage:  cridock.sh start NAME ENDPOINT [FLAG...]   ENDPOINT is the Engine's, FLAGs go to cridock; prints its socket
#         cridock.sh leftovers NAME                  prints what pods have left behind: checkpoints, leases, CNI cache
#         cridock.sh stop NAME                       ends it and deletes its folder and its bridge
# Input:  CRIDOCK_MAIN, the program to run (default: dist/src/main.js).
# Output: log in /run/cridock-test/<name>-cridock/cridock.log.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command=${1:-} name=${2:-}
[ -n "$name" ] || fail "usage: cridock.sh start NAME ENDPOINT [FLAG...] | leftovers NAME | stop NAME"
run=$run_dir/$name-cridock
socket=$run/cridock.sock
bridge=crdkn$(echo "$scope$name" | sha256sum | cut -c1-8)

write_network() {
  mkdir -p "$run/net.d"
  cat >"$run/net.d/10-test.conflist" <<CONFLIST
{
  "cniVersion": "1.0.0",
  "name": "cridock-test-$name",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$bridge",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$run/leases",
        "ranges": [[{ "subnet": "10.214.$(($(echo "$scope$name" | cksum | cut -d' ' -f1) % 256)).0/24" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "bandwidth", "capabilities": { "bandwidth": true } }
  ]
}
CONFLIST
}

accepts() {
  node -e '
    const socket = require("node:net").connect(process.argv[1]);
    socket.on("connect", () => process.exit(0)).on("error", () => process.exit(1));
  ' "$socket"
}
accepts_or_ended() { accepts || is_gone "$(cat "$run/pid")"; }

start() {
  local endpoint=$1
  shift
  stop
  write_network
  setsid node --enable-source-maps "${CRIDOCK_MAIN:-$repo_root/dist/src/main.js}" \
    --container-runtime-endpoint "unix://$socket" --docker-endpoint "$endpoint" \
    --cri-dockerd-root-directory "$run/root" --pod-infra-container-image registry.k8s.io/pause:3.10 \
    --cni-conf-dir "$run/net.d" --cni-bin-dir /opt/cni/bin,/usr/lib/cni --cni-cache-dir "$run/cache" \
    --nri-socket "$run/nri.sock" --nri-plugin-path "$run/nri-plugins" \
    "$@" </dev/null >"$run/cridock.log" 2>&1 &
  echo $! >"$run/pid"
  if ! wait_until 30 accepts_or_ended || ! accepts; then
    tail -n 20 "$run/cridock.log" >&2
    stop
    fail "cridock did not start"
  fi
  echo "$socket"
}

leftovers() {
  # last_reserved_ip.* and lock are host-local's own and hold no address; seal-key is the node's, not a pod's.
  find "$run/root" "$run/leases" "$run/cache" -type f ! -name 'last_reserved_ip.*' ! -name lock \
    ! -name seal-key 2>/dev/null || true
}

stop() {
  if [ -r "$run/pid" ]; then stop_pid "$(cat "$run/pid")" "$socket" 20; fi
  if ip link show "$bridge" >/dev/null 2>&1; then ip link delete "$bridge"; fi
  rm -rf "$run"
}

case $command in
  start)
    shift 2
    start "$@"
    ;;
  leftovers) leftovers ;;
  stop) stop ;;
  *) fail "unknown command $command" ;;
esac
