#!/usr/bin/env bash
# Hands running pods over from cri-dockerd to cridock and back, on one node, and looks whether anything was restarted.
#
# Usage:  swap.sh CRI_DOCKERD [CRIDOCK...]    CRI_DOCKERD: a build of cri-dockerd. CRIDOCK: the words that start
#                                             cridock (default: node dist/src/main.js)
# Input:  CRIDOCK_SWAP_ENGINE (default: 28.5.2); Go, where crictl is not built yet.
# Output: one line for each check; the last line is "N passed, N failed". Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
# shellcheck source=checks.sh
. "$repo_root/test/conformance/checks.sh"

cri_dockerd=${1:?usage: swap.sh CRI_DOCKERD [CRIDOCK...]}
shift
cridock=("$@")
[ $# -gt 0 ] || cridock=(node "$repo_root/dist/src/main.js")
engine_arguments=("${CRIDOCK_SWAP_ENGINE:-28.5.2}" --name swap)
bridge=crdswap
server_pid=''

tools=$("$repo_root/test/conformance/build-tools.sh")
work=$(mktemp -d)
cri_socket=$work/cri.sock

stop_server() {
  [ -n "$server_pid" ] || return 0
  stop_pid "$server_pid" "$cri_socket" 30 || true
  server_pid=''
}

leave() {
  stop_server
  "$repo_root/test/support/engine.sh" stop "${engine_arguments[@]}" || true
  if [ -e "/sys/class/net/$bridge" ]; then ip link delete "$bridge"; fi
  rm -rf "$work"
}
at_end leave

# serve WORDS...: starts a CRI server with the flags that both programs know.
serve() {
  "$@" --container-runtime-endpoint "unix://$cri_socket" --docker-endpoint "$endpoint" \
    --cri-dockerd-root-directory "$work/root" --network-plugin cni --cni-conf-dir "$work/net.d" \
    --cni-bin-dir "$plugins" --cni-cache-dir "$work/cni" --pod-infra-container-image registry.k8s.io/pause:3.10 \
    >>"$work/server.log" 2>&1 &
  server_pid=$!
  wait_until 30 crictl version || fail "$1 does not serve: $(tail -n 5 "$work/server.log")"
}

# make_pod NAME HOST_PORT: a pod with one container; their ids are left in files.
make_pod() {
  local pod
  # The kubelet makes it, and cri-dockerd counts on that.
  mkdir -p "$work/logs/$1/c"
  cat >"$work/$1-pod.json" <<JSON
{ "metadata": { "name": "$1", "namespace": "swap", "uid": "uid-$1", "attempt": 0 },
  "hostname": "$1", "log_directory": "$work/logs/$1", "labels": { "app": "$1" },
  "port_mappings": [{ "protocol": 0, "container_port": 80, "host_port": $2 }],
  "linux": { "security_context": { "namespace_options": { "network": 0, "pid": 1, "ipc": 0 } } } }
JSON
  cat >"$work/$1-container.json" <<JSON
{ "metadata": { "name": "c", "attempt": 0 }, "image": { "image": "busybox:latest" },
  "command": ["sh", "-c", "echo begin; trap 'exit 0' TERM; while :; do sleep 3600 & wait \$!; done"],
  "log_path": "c/0.log", "labels": { "tier": "$1" }, "annotations": { "io.kubernetes.container.restartCount": "0" },
  "mounts": [{ "host_path": "$work/net.d", "container_path": "/mounted", "readonly": true }],
  "linux": { "security_context": { "namespace_options": { "network": 0, "pid": 1, "ipc": 0 } } } }
JSON
  pod=$(crictl runp "$work/$1-pod.json") || return
  echo "$pod" >"$work/$1.pod"
  crictl create "$pod" "$work/$1-container.json" "$work/$1-pod.json" >"$work/$1.container"
  crictl start "$(cat "$work/$1.container")"
}

# As `grep -q`, but it reads all that it is given: who writes to a pipe that is closed early fails, and with it the pipe.
found() { grep "$@" >/dev/null; }

pod_id() { cat "$work/$1.pod"; }
container_id() { cat "$work/$1.container"; }
# When both containers of a pod were started, and with which process.
fingerprint() {
  "$DOCKER" -H "$endpoint" inspect -f '{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}' "$(pod_id "$1")" "$(container_id "$1")"
}
address() { crictl inspectp -o go-template --template '{{.status.network.ip}}' "$(pod_id "$1")"; }

is_listed() {
  crictl pods --no-trunc -q --state ready | found -x "$(pod_id "$1")" &&
    crictl ps --no-trunc -q --state running | found -x "$(container_id "$1")"
}
is_described() {
  [ "$(address "$1")" = "$(cat "$work/$1.address")" ] &&
    crictl inspect "$(container_id "$1")" | found '"containerPath": "/mounted"'
}
runs_commands() {
  [ "$(crictl exec "$(container_id "$1")" hostname)" = "$1" ] &&
    crictl exec "$(container_id "$1")" ip addr show dev eth0 | found -F "$(cat "$work/$1.address")/"
}
ran_on() { [ "$(fingerprint "$1")" = "$(cat "$work/$1.fingerprint")" ]; }
has_log() { crictl logs "$(container_id "$1")" | found begin; }
# Its first process has the output of the container; the log has a whole line for each it wrote.
says() { crictl exec "$(container_id "$1")" sh -c "echo $2 >/proc/1/fd/1"; }
logged_once() { [ "$(grep -c " stdout F $2\$" "$work/logs/$1/c/0.log")" = 1 ]; }
note() {
  fingerprint "$1" >"$work/$1.fingerprint"
  address "$1" >"$work/$1.address"
}
goes() {
  crictl stop "$(container_id "$1")" && crictl stopp "$(pod_id "$1")" &&
    crictl rm "$(container_id "$1")" && crictl rmp "$(pod_id "$1")" &&
    [ ! -e "$work/root/sandbox/$(pod_id "$1")" ] &&
    ! ls "$work/cni/results" | found "$(pod_id "$1")" &&
    ! grep -rqs "$(pod_id "$1")" "$work/leases" &&
    ! "$DOCKER" -H "$endpoint" ps -aq --no-trunc | found -E "$(pod_id "$1")|$(container_id "$1")"
}
check_pod() {
  local pod=$1 heir=$2
  check "$heir lists $pod" is_listed "$pod"
  check "$heir describes $pod, with its address and mount" is_described "$pod"
  check "$heir runs commands in $pod" runs_commands "$pod"
  check "nothing of $pod was restarted" ran_on "$pod"
}

DOCKER=$("$repo_root/test/support/engine.sh" docker "${engine_arguments[0]}")
export DOCKER

CRIDOCK_TEST_RUNC=$("$repo_root/test/support/clamped-runc.sh" "$DOCKER" "$work/bin")
export CRIDOCK_TEST_RUNC

[ -x /usr/lib/cni/bridge ] && plugins=/usr/lib/cni || plugins=/opt/cni/bin
endpoint=unix://$("$repo_root/test/support/engine.sh" start "${engine_arguments[@]}")
"$repo_root/test/support/images.sh" load "$endpoint"
mkdir -p "$work/net.d"
cat >"$work/net.d/10-swap.conflist" <<JSON
{ "cniVersion": "1.0.0", "name": "swap", "plugins": [
  { "type": "bridge", "bridge": "$bridge", "isGateway": true,
    "ipam": { "type": "host-local", "dataDir": "$work/leases", "ranges": [[{ "subnet": "10.215.7.0/24" }]] } },
  { "type": "portmap", "capabilities": { "portMappings": true } }
] }
JSON

serve "$cri_dockerd"
for pod in theirs-1 theirs-2; do
  check "cri-dockerd makes $pod" make_pod "$pod" "$((18080 + ${pod#*-}))"
  note "$pod"
done
stop_server

serve "${cridock[@]}"
for pod in theirs-1 theirs-2; do
  check_pod "$pod" cridock
  check "the log of $pod is read by way of cridock" has_log "$pod"
done
check 'cridock stops and removes theirs-1, with nothing left of it' goes theirs-1
for pod in ours-1 ours-2; do
  check "cridock makes $pod" make_pod "$pod" "$((18090 + ${pod#*-}))"
  note "$pod"
done
stop_server

serve "$cri_dockerd"
for pod in theirs-2 ours-1 ours-2; do check_pod "$pod" cri-dockerd; done
check 'ours-2 writes to its log meanwhile' says ours-2 meanwhile
for pod in theirs-2 ours-1; do
  check "cri-dockerd stops and removes $pod, with nothing left of it" goes "$pod"
done
stop_server

serve "${cridock[@]}"
check_pod ours-2 'cridock, again,'
# That it is cridock's to write, only labels tell that it has sealed itself.
check 'ours-2 writes to its log again' says ours-2 again
for line in begin meanwhile again; do
  check "its log has the line \"$line\" once, by the seal of its labels" wait_until 30 logged_once ours-2 "$line"
done
check 'cridock stops and removes ours-2, with nothing left of it' goes ours-2
check 'no port of a pod is left on the bridge' test -z "$(ls "/sys/class/net/$bridge/brif")"
check 'no rule for a host port is left' bash -c "! iptables-save -t nat 2>/dev/null | grep -E '1808[12]|1809[12]'"

[ "$failed" -eq 0 ] || tail -n 30 "$work/server.log" >&2
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
