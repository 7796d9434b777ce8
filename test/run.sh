#!/usr/bin/env bash
# `npm test`: prepares what the tests need, runs them, and ends what it started.
#
# Usage:  npm test [-- KIND...]    KIND: folders of test/ to run (default: unit property integration)
#         npm test -- PATH...      only what is below, as in test/unit/state, or one file, as in test/unit/cli/config.test.ts
# Input:  CRIDOCK_TEST_ENGINE      the Engine that integration tests use: 20.10 (default), 26.1, 28.5.2, 29.8, or with
#                                  "+containerd" behind it for the containerd image store
#         Each test gets CRIDOCK_TEST_DOCKER, that Engine's endpoint; the images registry.k8s.io/pause:3.10 and
#         busybox:latest are in it.
#         CRIDOCK_TEST_CRI_DOCKERD a build of cri-dockerd: it is what nodes are switched from and back to (package)
#         CRIDOCK_TEST_NODE=own    this machine's Node.js, in place of the one that the executable holds (24 LTS)
#         CRIDOCK_TEST_FULL=1      node-vm runs all that it has, on all Engines where CRIDOCK_TEST_ENGINE names none: hours
# Output: the tests' report; the last line is "N passed, N failed, N skipped". Exit status 0 when none failed.
# Where no Engine can run (not root, no kernel support), each integration test file counts as one skipped test; with
# CI set, where an Engine must run, that is a failure.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/common.sh"
cd "$repo_root"

engine_choice=${CRIDOCK_TEST_ENGINE:-20.10}
engine_arguments=("${engine_choice%+containerd}" --name test)
[ "$engine_choice" = "${engine_choice%+containerd}" ] || engine_arguments+=(--containerd-store)
passed=0 failed=0 skipped=0
work=$(mktemp -d)
tests=$(tests_folder)
started=false no_engine=''
node_started=false no_node=''

leave() {
  [ "$node_started" = false ] || test/node-vm/vm.sh down || true
  # Before the Engine, which cannot end what they hold.
  test/support/clear-left.sh "$tests" || true
  if [ "$started" = true ]; then
    test/support/engine.sh stop "${engine_arguments[@]}" || true
  fi
  rm -rf "$work"
}
at_end leave

# Starts the Engine, once. Sets no_engine to the reason where none can run.
prepare() {
  local socket status=0
  if [ "$started" = true ] || [ -n "$no_engine" ]; then return; fi
  if [ "$(id -u)" != 0 ]; then
    no_engine='not root'
    return
  fi
  # Two runs at a time would share one Engine: the second waits for the first.
  mkdir -p "$run_dir"
  exec 9>"$run_dir/test.lock"
  flock -w 1800 9 || fail 'another npm test has been running for half an hour'
  started=true
  if [ -n "${CRIDOCK_TEST_CRI_DOCKERD:-}" ] && [ -z "${CRIDOCK_TEST_RUNC:-}" ]; then
    CRIDOCK_TEST_RUNC=$(test/support/clamped-runc.sh "$(test/support/engine.sh docker "${engine_choice%+containerd}")" "$run_dir/runc")
    export CRIDOCK_TEST_RUNC
  fi
  socket=$(test/support/engine.sh start "${engine_arguments[@]}" 9>&-) || status=$?
  case $status in
    0) ;;
    4) no_engine='the daemon cannot start' && return ;;
    *) fail 'the Engine for the tests could not be prepared' ;;
  esac
  DOCKER=$(test/support/engine.sh docker "${engine_choice%+containerd}")
  export DOCKER CRIDOCK_TEST_DOCKER=unix://$socket
  test/support/images.sh load "$CRIDOCK_TEST_DOCKER"
}

# Boots the modern node with cridock on it. Sets no_node to the reason where none can be had.
prepare_node() {
  local engine=$1 image status=0
  image=$(test/node-vm/make-image.sh "$engine" 9>&-) || status=$?
  if [ "$status" = 0 ]; then
    node_started=true
    test/node-vm/vm.sh up "$image" 9>&- || status=$?
  fi
  case $status in
    0) ;;
    4) no_node='no virtual machine can be had here' && return ;;
    *) fail "the node with Engine $engine could not be prepared" ;;
  esac
  test/node-vm/prepare.sh 9>&-
  export CRIDOCK_TEST_NODE_VM=$engine
  if command -v go >/dev/null; then export CRIDOCK_TEST_NODE_TOOLS=1; fi
}

run_node_kind() {
  local engine engines=("${CRIDOCK_TEST_ENGINE:-28.5.2}")
  if [ -n "${CRIDOCK_TEST_FULL:-}" ] && [ -z "${CRIDOCK_TEST_ENGINE:-}" ]; then
    engines=(28.5.2 29.8+containerd 26.1 28.5.2+containerd)
  fi
  for engine in "${engines[@]}"; do
    say "the node with Engine $engine"
    prepare_node "$engine"
    if [ -n "$no_node" ]; then
      skip_kind "$1" "$no_node"
      return
    fi
    run_kind "$1" 1
    test/node-vm/vm.sh down
    node_started=false
  done
}

# skip_kind PART REASON: each of its files counts as one skipped.
skip_kind() {
  local files
  mapfile -t files < <(test_files "$1")
  say "$1 tests: ${#files[@]} files skipped: $2"
  skipped=$((skipped + ${#files[@]}))
}

# The compiled files of a part of test/, listed from the sources: the build folder may hold files of tests since removed.
test_files() { find "test/$1" -name '*.test.ts' 2>/dev/null | sort | sed 's|^|dist/|; s|\.ts$|.js|'; }

# node's own summary of one run, as in "# pass 12".
count() { awk -v what="$1" '$1 == "#" && $2 == what {n = $3} END {print n + 0}' "$work/report.tap"; }

run_kind() {
  local part=$1 concurrency=$2 limit_ms=600000 status=0 files
  # An emulated node takes its time; the whole of critest takes hours there.
  if [ "${part%%/*}" = node-vm ]; then limit_ms=$((${CRIDOCK_TEST_FULL:-0} ? 6 * 3600000 : 1800000)); fi
  mapfile -t files < <(test_files "$part")
  say "$part tests"
  TMPDIR=$tests node --enable-source-maps --test --test-concurrency="$concurrency" --test-timeout="$limit_ms" \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/report.tap" "${files[@]}" 9>&- || status=$?
  passed=$((passed + $(count pass)))
  failed=$((failed + $(count fail) + $(count cancelled)))
  skipped=$((skipped + $(count skipped) + $(count todo)))
  # A run that broke without a failing test is a failure all the same.
  if [ "$status" -ne 0 ] && [ $(($(count fail) + $(count cancelled))) -eq 0 ]; then failed=$((failed + 1)); fi
}

# A kind with a script of its own, which ends with the line that this one ends with.
run_script() {
  local status=0 line
  say "$1 tests"
  "test/$1/run.sh" | tee "$work/output" || status=$?
  line=$(tail -n 1 "$work/output" | grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' || echo '0 passed, 1 failed, 0 skipped')
  passed=$((passed + $(echo "$line" | awk '{print $1}')))
  failed=$((failed + $(echo "$line" | awk '{print $3}')))
  skipped=$((skipped + $(echo "$line" | awk '{print $5}')))
  if [ "$status" -ne 0 ] && [ "$(echo "$line" | awk '{print $3}')" = 0 ]; then failed=$((failed + 1)); fi
}

[ $# -gt 0 ] || set -- unit property integration
# Paths below test/ from here on.
set -- "${@#test/}"
for part in "$@"; do
  [ -e "test/$part" ] || fail "there is no test/$part"
  [ -n "$(test_files "$part")" ] || [ -x "test/$part/run.sh" ] || fail "there are no tests in test/$part"
  [ ! -x "test/${part%%/*}/run.sh" ] || [ "$part" = "${part%%/*}" ] || fail "test/${part%%/*} runs as a whole only"
done

use_shipped_node
# npm notes in this file what it has installed.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then npm ci --no-audit --no-fund >&2; fi
npm run --silent build
# Unit tests run busybox and network plugins too. Without root they take what the machine has.
[ "$(id -u)" != 0 ] || deploy/quickstart/install-prerequisites.sh --without-engine >&2

for part in "$@"; do
  case $part in
    unit* | property*) run_kind "$part" 2 ;;
    node-vm*) run_node_kind "$part" ;;
    *)
      if [ -x "test/$part/run.sh" ]; then
        run_script "$part"
        continue
      fi
      prepare
      if [ -z "$no_engine" ]; then
        run_kind "$part" 1
      else
        [ -z "${CI:-}" ] || failed=$((failed + 1))
        skip_kind "$part" "no Docker Engine can run here: $no_engine"
      fi
      ;;
  esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
