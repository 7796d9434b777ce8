#!/usr/bin/env bash
# Tests of the companion runtime, on Engines that have it. They run in a mount namespace of their own.
#
# Usage:  run.sh [FILE...]       FILE: user-namespaces, attempts ... (default: all)
# Input:  a finished build in dist/; CRIDOCK_TEST_ENGINE, the Engines, in the words of test/run.sh
# Output: the tests' report; the last line is "N passed, N failed, N skipped". Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

[ "${CRIDOCK_TEST_APART:-}" = 1 ] || exec test/support/apart.sh "test/companion/$(basename "$0")" "$@"
read -ra engines <<<"${CRIDOCK_TEST_ENGINE:-28.5.2 28.5.2+containerd 29.8+containerd 20.10}"
if [ $# = 0 ]; then
  mapfile -t names < <(find test/companion -name '*.test.ts' -printf '%f\n' | sed 's|.test.ts$||' | sort)
  # Of NRI's tests some need the companion.
  set -- "${names[@]}" ../integration/cri/nri ../integration/cri/nri-adjustments
fi
files=("${@/%/.test.js}")
passed=0 failed=0 skipped=0 arguments=()
work=$(mktemp -d)
tests=$(tests_folder)
leave() {
  # Before the Engine, which cannot end what they hold.
  test/support/clear-left.sh "$tests" || true
  [ ${#arguments[@]} = 0 ] || test/support/engine.sh stop "${arguments[@]}" || true
  rm -rf "$work"
}
at_end leave
export CRIDOCK_TEST_COMPANION=1

for engine in "${engines[@]}"; do
  arguments=("${engine%+containerd}" --name withcomp --live-restore)
  [ "$engine" = "${engine%+containerd}" ] || arguments+=(--containerd-store)
  socket=$(test/support/engine.sh start "${arguments[@]}")
  # Engines before 27 do not tell where containerd is: it is looked for in its usual place. Not for others, which would take it
  # for the system's when they are restarted.
  case $engine in
    20.10 | 26.1*) ln -sf "$(dirname "$socket")/exec/containerd/containerd.sock" /run/containerd/containerd.sock ;;
  esac
  DOCKER=$(test/support/engine.sh docker "${engine%+containerd}")
  export DOCKER CRIDOCK_TEST_DOCKER=unix://$socket CRIDOCK_TEST_COMPANION_ENGINE=$engine
  export CRIDOCK_TEST_ENGINE_WORDS="${arguments[*]}"
  test/support/images.sh load "$CRIDOCK_TEST_DOCKER" >/dev/null
  say "Engine $engine"
  status=0
  TMPDIR=$tests node --enable-source-maps --test --test-concurrency=1 --test-timeout=600000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/report.tap" "${files[@]/#/dist/test/companion/}" || status=$?
  count() { awk -v what="$1" '$1 == "#" && $2 == what {n = $3} END {print n + 0}' "$work/report.tap"; }
  passed=$((passed + $(count pass)))
  failed=$((failed + $(count fail) + $(count cancelled)))
  skipped=$((skipped + $(count skipped)))
  if [ "$status" -ne 0 ] && [ $(($(count fail) + $(count cancelled))) = 0 ]; then failed=$((failed + 1)); fi
  rm -f /run/containerd/containerd.sock
  test/support/engine.sh stop "${arguments[@]}"
  arguments=()
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
