#!/usr/bin/env bash
# `npm test -- kubelet`: cridock under a real kubelet, on a cluster of one node that it starts and ends.
#
# Usage:  run.sh [FILE...]            FILE: names of files in cases/ or disruptive/ without .test.ts (default: all)
# Input:  CRIDOCK_TEST_FULL=1         the whole suite, and not only the part for every run
#         CRIDOCK_TEST_ENGINE         the Engine: 20.10, 26.1, 28.5.2 (default), or with "+containerd" behind it
#         CRIDOCK_TEST_COMPANION      empty: without the companion runtime, as on nodes where it is not installed
#         CRIDOCK_TEST_KUBELET        the kubelet's version (default 1.37.2, as the control plane's)
#         CRIDOCK_TEST_KUBERNETES     the control plane's
#         CRIDOCK_TEST_NODE_ENGINE    an Engine that runs already and has the images (pause:3.10, busybox, agnhost:test), in
#                                     place of one of its own; without registries and restarts of the Engine
#         CRIDOCK_TEST_CGROUP_DRIVER, CRIDOCK_TEST_PATIENCE    as cluster.sh says
#         A finished build in dist/; Go, where the programs are not built yet.
# Output: the tests' report; the last line is "N passed, N failed, N skipped". Exit status 0 when none failed. Where it
#         cannot run (no Go, no module proxy, not root), each test file counts as one skipped test.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

engine_choice=${CRIDOCK_TEST_ENGINE:-28.5.2}
engine_arguments=("${engine_choice%+containerd}" --name kubelet)
[ "$engine_choice" = "${engine_choice%+containerd}" ] || engine_arguments+=(--containerd-store)
export CRIDOCK_TEST_COMPANION=${CRIDOCK_TEST_COMPANION-1}
passed=0 failed=0 skipped=0 started=false
work=$(mktemp -d)
support=test/support

leave() {
  if [ "$started" = true ]; then
    mkdir -p .cache/kubelet
    cp "$run_dir/kubelet-cluster/"*.log .cache/kubelet/ 2>/dev/null || true
    test/kubelet/cluster.sh stop kubelet || true
    [ -n "${CRIDOCK_TEST_NODE_ENGINE:-}" ] || stop_engine
  fi
  rm -rf "$work"
}
stop_engine() {
  "$support/engine.sh" stop "${engine_arguments[@]}" || true
  "$support/registry.sh" stop --name kubelet-open || true
  "$support/registry.sh" stop --name kubelet-login || true
}
start_engine() {
  local socket status=0
  socket=$("$support/engine.sh" start "${engine_arguments[@]}" --live-restore 9>&-) || status=$?
  [ "$status" -ne 4 ] || { [ -z "${CI:-}" ] && skip_all 'no Docker Engine can run here'; }
  [ "$status" -eq 0 ] || fail 'the Engine could not be prepared'
  DOCKER=$("$support/engine.sh" docker "${engine_choice%+containerd}")
  export DOCKER CRIDOCK_TEST_DOCKER=unix://$socket CRIDOCK_TEST_ENGINE_ARGUMENTS="${engine_arguments[*]}"
  "$support/images.sh" load "$CRIDOCK_TEST_DOCKER"
  tar -C "$programs" --numeric-owner --owner=0 --group=0 -c agnhost |
    DOCKER_CONFIG=/nonexistent "$DOCKER" -H "$CRIDOCK_TEST_DOCKER" import -c 'ENTRYPOINT ["/agnhost"]' - agnhost:test >/dev/null
  CRIDOCK_TEST_REGISTRY=$("$support/registry.sh" start --name kubelet-open --port "$((port_base + 2))" 9>&-)
  CRIDOCK_TEST_REGISTRY_LOGIN=$("$support/registry.sh" start --name kubelet-login --port "$((port_base + 3))" --auth 'tester:secret word' 9>&-)
  export CRIDOCK_TEST_REGISTRY CRIDOCK_TEST_REGISTRY_LOGIN
}
at_end leave

files() {
  find "test/kubelet/$1" -name '*.test.ts' | sort | sed 's|^|dist/|; s|\.ts$|.js|' |
    if [ ${#chosen[@]} -gt 0 ]; then grep -E "/($(IFS='|' && echo "${chosen[*]}"))\.test\.js$" || true; else cat; fi
}
chosen=("$@")

skip_all() {
  mapfile -t list < <(files cases && files disruptive)
  say "${#list[@]} files skipped: $*"
  echo "0 passed, 0 failed, ${#list[@]} skipped"
  exit 0
}

count() { awk -v what="$1" '$1 == "#" && $2 == what {n = $3} END {print n + 0}' "$work/report.tap"; }

# run CONCURRENCY FILE...
run() {
  local concurrency=$1 status=0
  shift
  [ $# -gt 0 ] || return 0
  node --enable-source-maps --test --test-concurrency="$concurrency" --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/report.tap" "$@" 9>&- || status=$?
  passed=$((passed + $(count pass)))
  failed=$((failed + $(count fail) + $(count cancelled)))
  skipped=$((skipped + $(count skipped) + $(count todo)))
  if [ "$status" -ne 0 ] && [ $(($(count fail) + $(count cancelled))) -eq 0 ]; then failed=$((failed + 1)); fi
}

[ "$(id -u)" = 0 ] || skip_all 'not root'
build_status=0
programs=$(test/kubelet/build.sh "${CRIDOCK_TEST_KUBERNETES:-1.37.2}" \
  kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl etcd agnhost) || build_status=$?
[ "$build_status" -ne 4 ] || skip_all 'the programs of Kubernetes are not built, and cannot be built here'
[ "$build_status" -eq 0 ] || fail 'the programs of Kubernetes could not be prepared'

deploy/quickstart/install-prerequisites.sh --without-engine >&2
# Two runs at a time would share one node: the second waits until the first has ended it.
mkdir -p "$run_dir"
exec 9>"$run_dir/kubelet.lock"
flock -w 3600 9 || fail 'another run has had the node for an hour'
started=true
if [ -n "${CRIDOCK_TEST_NODE_ENGINE:-}" ]; then export CRIDOCK_TEST_DOCKER=$CRIDOCK_TEST_NODE_ENGINE; else start_engine; fi
# Without them the checks of checkpoints are left out, and say so.
CRIDOCK_TEST_CRIU=$("$support/criu.sh") || CRIDOCK_TEST_CRIU=''
CRIDOCK_TEST_CHECKPOINTCTL=$("$support/checkpointctl.sh") || CRIDOCK_TEST_CHECKPOINTCTL=''
export CRIDOCK_TEST_CRIU CRIDOCK_TEST_CHECKPOINTCTL
[ -z "$CRIDOCK_TEST_CRIU" ] || export PATH="$CRIDOCK_TEST_CRIU:$PATH"
CRIDOCK_TEST_CLUSTER=$(test/kubelet/cluster.sh start kubelet "$CRIDOCK_TEST_DOCKER" 9>&-)
export CRIDOCK_TEST_CLUSTER

# Where all takes longer than usual, more at a time only makes each wait for the others.
at_a_time=3
[ "${CRIDOCK_TEST_PATIENCE:-1}" = 1 ] || at_a_time=1
mapfile -t list < <(files cases)
run "$at_a_time" "${list[@]}"
mapfile -t list < <(files disruptive)
run 1 "${list[@]}"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
