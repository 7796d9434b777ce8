#!/usr/bin/env bash
# Runs crictl's commands against cridock, with full ids and with short ones, on one or more Engines.
#
# Usage:  crictl.sh [ENGINE...]    20.10, 26.1, 28.5.2, 29.8, the last three also with +containerd (default: 20.10)
# Input:  a finished build in dist/. Go, where crictl is not built yet.
# Output: one line for each check; the last line is "N passed, N failed, N skipped", where an Engine that cannot be
#         built here counts as one skipped. Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=node.sh
. "$(dirname "${BASH_SOURCE[0]}")/node.sh"
# shellcheck source=checks.sh
. "$repo_root/test/conformance/checks.sh"

image=registry.k8s.io/e2e-test-images/busybox:1.29-2
other_image=registry.k8s.io/e2e-test-images/nginx:1.14-2
tools=$("$repo_root/test/conformance/build-tools.sh")
work=''

# prints TEXT COMMAND...: COMMAND succeeds and its output holds TEXT.
prints() {
  local text=$1
  shift
  if "$@" >"$work/printed" 2>&1 && grep -qF -- "$text" "$work/printed"; then return; fi
  echo "no '$text' in: $(tail -n 5 "$work/printed")"
  return 1
}
fails() { ! "$@"; }
# id_from FILE COMMAND...: COMMAND's last line is a full id, which is kept in FILE.
id_from() {
  local file=$1
  shift
  "$@" >"$work/id" || { cat "$work/id" && return 1; }
  tail -n 1 "$work/id" | grep -xE '[0-9a-f]{64}' >"$file" || { cat "$work/id" && return 1; }
}
prints_bytes() {
  local count=$1
  shift
  "$@" >"$work/printed" && [ "$(wc -c <"$work/printed")" = "$count" ]
}
# ends_with FILE WHOLE: FILE is not empty, and is what WHOLE ends with.
ends_with() { [ -s "$1" ] && tail -c "$(wc -c <"$1")" "$2" | cmp - "$1"; }
is_empty() {
  "$@" >"$work/rest" || return
  if [ -s "$work/rest" ]; then head -n 5 "$work/rest" && return 1; fi
}

# A pod and a container in it, from the first command to the last; ids are given with N characters.
pod_life() {
  local length=$1 label=$2 pod container pod_name=crictl-$1
  cat >"$work/pod.json" <<JSON
{
  "metadata": { "name": "$pod_name", "namespace": "conformance", "uid": "uid-$length", "attempt": 1 },
  "log_directory": "$work/logs",
  "labels": { "suite": "crictl" },
  "linux": {}
}
JSON
  cat >"$work/container.json" <<JSON
{
  "metadata": { "name": "sleeper", "attempt": 0 },
  "image": { "image": "$image" },
  "command": ["sleep", "3600"],
  "log_path": "sleeper.log",
  "linux": { "resources": { "memory_limit_in_bytes": 67108864, "cpu_shares": 128 } }
}
JSON
  check "$label runp" id_from "$work/pod" crictl runp "$work/pod.json"
  pod=$(cut -c1-"$length" "$work/pod")
  check "$label pods" prints "$pod_name" crictl pods --name "$pod_name" --state ready --label suite=crictl
  check "$label pods --id" prints "$(cat "$work/pod")" crictl pods --quiet --no-trunc --id "$pod"
  check "$label inspectp" prints '"state": "SANDBOX_READY"' crictl inspectp "$pod"
  check "$label inspectp: an IP from the CNI network" prints '"ip": "10.214.' crictl inspectp "$pod"

  check "$label create" id_from "$work/container" crictl create "$pod" "$work/container.json" "$work/pod.json"
  container=$(cut -c1-"$length" "$work/container")
  check "$label ps: created" prints "$(cat "$work/container")" crictl ps --all --quiet --no-trunc --state created --id "$container"
  check "$label start" prints "$container" crictl start "$container"
  check "$label ps: running" prints sleeper crictl ps --pod "$pod" --state running
  check "$label inspect" prints '"state": "CONTAINER_RUNNING"' crictl inspect "$container"
  check "$label update" crictl update --cpu-share 512 --memory 134217728 "$container"
  check "$label update: seen by the Engine" prints '512 134217728' \
    "$DOCKER" -H "$endpoint" inspect -f '{{.HostConfig.CpuShares}} {{.HostConfig.Memory}}' "$(cat "$work/container")"
  streams "$label" "$pod" "$container"
  check "$label stop" prints "$container" crictl stop --timeout 1 "$container"
  check "$label stop: exited" prints '"state": "CONTAINER_EXITED"' crictl inspect "$container"
  check "$label stop again" crictl stop "$container"
  check "$label rm" prints "$container" crictl rm "$container"
  check "$label rm: gone" is_empty crictl ps --all --quiet --id "$(cat "$work/container")"

  check "$label stopp" prints "$pod" crictl stopp "$pod"
  check "$label stopp: not ready" prints '"state": "SANDBOX_NOTREADY"' crictl inspectp "$pod"
  check "$label stopp again" crictl stopp "$pod"
  check "$label rmp" prints "$pod" crictl rmp "$pod"
  check "$label rmp: gone" is_empty crictl pods --quiet --id "$(cat "$work/pod")"
}

# The forms of crictl logs, on a container that writes 60 lines in 6 seconds while its log is rotated.
logs() {
  local pod container log rotation followers=() since
  cat >"$work/pod.json" <<JSON
{ "metadata": { "name": "logs", "namespace": "conformance", "uid": "uid-logs", "attempt": 1 },
  "log_directory": "$work/logs", "linux": {} }
JSON
  cat >"$work/container.json" <<JSON
{
  "metadata": { "name": "writer", "attempt": 0 },
  "image": { "image": "$image" },
  "command": ["sh", "-c", "i=0; while [ \$i -lt 60 ]; do i=\$((i + 1)); echo line \$i; usleep 100000; done; echo error >&2"],
  "log_path": "writer/0.log",
  "linux": {}
}
JSON
  check 'logs: a pod' id_from "$work/pod" crictl runp "$work/pod.json"
  pod=$(cat "$work/pod") log=$work/logs/writer/0.log
  check 'logs: a container' id_from "$work/container" crictl create "$pod" "$work/container.json" "$work/pod.json"
  container=$(cat "$work/container")
  check 'logs: start' crictl start "$container"
  check 'inspect: the mode of the log' prints '"logMode": "cri"' crictl inspect "$container"
  crictl logs -f "$container" >"$work/followed" 2>&1 &
  followers=("$!")
  for rotation in 1 2 3; do
    sleep 1
    mv "$log" "$log.$rotation"
    check "logs --reopen, rotation $rotation" crictl logs --reopen "$container"
    [ "$rotation" = 2 ] || continue
    wait_until 5 test -s "$log"
    crictl logs -f --tail 1 "$container" >"$work/followed-tail" 2>&1 &
    followers+=("$!")
    crictl logs -f --since "$(head -n 1 "$log" | cut -d' ' -f1)" "$container" >"$work/followed-since" 2>&1 &
    followers+=("$!")
  done
  wait "${followers[@]}"
  { seq -f 'line %g' 60 && echo error; } >"$work/expected"
  check 'logs -f over three rotations misses nothing' cmp "$work/expected" "$work/followed"
  check 'logs -f --tail over a rotation: from there to the end' ends_with "$work/followed-tail" "$work/expected"
  check 'logs -f --since over a rotation: all from then on' \
    cmp <(cat "$log.3" "$log" | cut -d' ' -f4-) "$work/followed-since"
  crictl logs "$container" 2>/dev/null >"$work/rest"
  check 'the files together hold each line once' \
    sh -c "cut -d' ' -f4- '$log.1' '$log.2' '$log.3' '$log' | cmp '$work/expected' -"
  check 'logs' cmp <(cut -d' ' -f4- "$log" | grep -v error) "$work/rest"
  check 'logs --tail' prints 'line 60' crictl logs --tail 2 "$container"
  check 'logs --tail: no more' sh -c "[ \"\$('$tools/crictl' --config /dev/null --runtime-endpoint 'unix://$cri_socket' logs --tail 2 '$container' 2>&1 | grep -c line)\" = 1 ]"
  check 'logs --tail 0' is_empty crictl logs --tail 0 "$container"
  check 'logs --limit-bytes' prints_bytes 10 crictl logs --limit-bytes 10 "$container"
  check 'logs --since: all' prints 'line 60' crictl logs --since 1h "$container"
  check 'logs --since: none' is_empty crictl logs --since 2999-01-01T00:00:00Z "$container"
  since=$(tail -n 3 "$log" | head -n 1 | cut -d' ' -f1)
  check 'logs --since: from a time on' cmp <(tail -n 3 "$log" | cut -d' ' -f4-) <(crictl logs --since "$since" "$container" 2>&1)
  check 'logs --timestamps' cmp <(cut -d' ' -f1,4- "$log") <(crictl logs --timestamps "$container" 2>&1)
  check 'logs -f of an ended container ends' prints 'line 60' crictl logs -f "$container"
  check 'logs --reopen of an ended container fails' fails crictl logs --reopen "$container"
  sed -i 's/"attempt": 0/"attempt": 1/; s|writer/0.log|writer/1.log|; s/-lt 60/-lt 3/' "$work/container.json"
  check 'logs: a second attempt' id_from "$work/container" crictl create "$pod" "$work/container.json" "$work/pod.json"
  check 'logs: start the second attempt' crictl start "$(cat "$work/container")"
  check 'logs --previous' prints 'line 60' crictl logs --previous "$(cat "$work/container")"
  check 'logs: removal' crictl rmp -f "$pod"
  check 'the logs are still there' test -s "$log" -a -s "$work/logs/writer/1.log"
}

# exec, attach and port-forward, over SPDY and over WebSocket, to a container whose process is `sleep`.
streams() {
  local label=$1 pod=$2 container=$3 transport attached
  check "$label exec --sync" prints synced crictl exec --sync "$container" echo synced
  check "$label exec --sync: exit code" prints 'exited with 7' fails crictl exec --sync "$container" sh -c 'exit 7'
  crictl exec --sync "$container" sh -c 'mkdir -p /www; echo forwarded >/www/file; httpd -p 127.0.0.1:8080 -h /www' \
    >/dev/null 2>&1
  sed 's/"sleeper"/"shell"/; s/"command": .*/"stdin": true, "tty": true, "command": ["sh"],/; s/sleeper.log/shell.log/' \
    "$work/container.json" >"$work/shell.json"
  for transport in spdy websocket; do
    # The shell ends with the keyboard that is attached to it.
    attached=$(crictl create "$pod" "$work/shell.json" "$work/pod.json" 2>/dev/null | tail -n 1)
    crictl start "$attached" >/dev/null
    check "$label exec over $transport" prints streamed crictl exec --transport "$transport" "$container" echo streamed
    check "$label exec -i over $transport" piped "$transport" "$container"
    # Before API 1.42 the size comes a moment after the start.
    check "$label exec -it over $transport" prints '33 99' \
      in_terminal "exec -it --transport $transport $container sh -c 'sleep 0.5; stty size'"
    check "$label exec: exit code over $transport" prints 'exit code 9' \
      fails crictl exec --transport "$transport" "$container" sh -c 'exit 9'
    check "$label attach over $transport" prints at42tached typed "attach -it --transport $transport $attached"
    check "$label port-forward over $transport" forwards "$transport" "$pod"
    crictl rm --force "$attached" >/dev/null
  done
}

piped() {
  head -c 3000000 /dev/urandom >"$work/input"
  # shellcheck disable=SC2094 # both only read it
  crictl exec -i --transport "$1" "$2" cat <"$work/input" | cmp - "$work/input"
}

# crictl in a terminal of 33 rows and 99 columns; the second reads its input from a keyboard, so to speak.
in_terminal() { script -qec "stty rows 33 cols 99; $(crictl_command) $1" /dev/null </dev/null; }
# shellcheck disable=SC2016 # the shell in the container is to expand it
typed() { (sleep 1 && echo 'echo at$((40+2))tached' && sleep 1) | timeout 20 script -qec "$(crictl_command) $1" /dev/null; }
crictl_command() {
  echo "$tools/crictl --config /dev/null --timeout 60s --runtime-endpoint unix://$cri_socket --image-endpoint unix://$cri_socket"
}

forwards() {
  local pid status=0
  rm -f "$work/forward" # the background process empties it only when it gets to run
  "$tools/crictl" --config /dev/null --runtime-endpoint "unix://$cri_socket" --image-endpoint "unix://$cri_socket" \
    port-forward --transport "$1" "$2" 18080:8080 >"$work/forward" 2>&1 &
  pid=$!
  wait_until 20 grep -q 'Forwarding from' "$work/forward" &&
    prints forwarded curl --silent --max-time 10 http://127.0.0.1:18080/file || status=1
  kill "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  return "$status"
}

images() {
  local id
  check 'pull by tag' prints 'Image is up to date' crictl pull "$image"
  check 'pull again' prints 'Image is up to date' crictl pull "$image"
  check 'images' prints "${image%:*}" crictl images
  check 'images NAME' prints 1.29-2 crictl images "$image"
  check 'inspecti' prints "$image" crictl inspecti "$image"
  id=$(crictl images --quiet --no-trunc "$image" | head -n 1)
  check 'inspecti by full id' prints "$image" crictl inspecti "$id"
  check 'inspecti by short id' prints "$image" crictl inspecti "$(echo "${id#sha256:}" | cut -c1-12)"

  check 'rmi by tag' rmi_removes "$other_image" "$other_image"
  check 'rmi by full id' rmi_removes "$other_image" id
  check 'rmi by short id' rmi_removes "$other_image" short
}

# rmi_removes IMAGE HOW: pulls IMAGE, removes it by its name, its id or a short id, and looks whether it is gone.
rmi_removes() {
  local name=$1 reference=$2 id
  crictl pull "$name" || return
  id=$(crictl images --quiet --no-trunc "$name") || return
  case $reference in
    id) reference=$id ;;
    short) reference=$(echo "${id#sha256:}" | cut -c1-12) ;;
  esac
  crictl rmi "$reference" && is_empty crictl images --quiet "$name"
}

crictl_on() {
  echo "# crictl $("$tools/crictl" --version | awk '{print $NF}'), Engine $1"
  start_node crictl "$1"
  work=$(mktemp -d)
  check 'version' prints 'RuntimeApiVersion:  v1' crictl version
  check 'info' prints '"type": "RuntimeReady"' crictl info
  check 'info: the network is ready' prints '"type": "NetworkReady"' crictl info
  images
  logs
  pod_life 64 'full id:'
  pod_life 8 'short id:'
  check 'inspect of an unknown id fails' fails crictl inspect 0123456789abcdef
  check 'stop of an unknown id' crictl stop 0123456789abcdef
  check 'nothing is left in the Engine' is_empty "$DOCKER" -H "$endpoint" ps --all --quiet
  check 'nothing is left on disk' is_empty "$support/cridock.sh" leftovers crictl
  rm -rf "$work"
  stop_node
}

[ $# -gt 0 ] || set -- 20.10
skipped=0
for engine in "$@"; do
  status=0
  "$support/engine.sh" daemon "${engine%+containerd}" >/dev/null || status=$?
  case $status in
    0) crictl_on "$engine" ;;
    3) echo "skipped Engine $engine: it cannot be built here" && skipped=$((skipped + 1)) ;;
    *) exit "$status" ;;
  esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
