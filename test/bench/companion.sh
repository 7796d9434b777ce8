#!/usr/bin/env bash
# Measures what starts by the companion runtime cost, or what it makes faster, on an Engine of its own.
#
# Usage:  companion.sh [ENGINE [TURNS [WHAT]]]      (default: 28.5.2, 40, companion; network-ahead is the other)
# Input:  a finished build in dist/
# Output: the median times, their ratios to those of plain containers, and cridock's memory.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

[ "${CRIDOCK_TEST_APART:-}" = 1 ] || exec test/support/apart.sh test/bench/companion.sh "$@"
engine=${1:-28.5.2}
arguments=("${engine%+containerd}" --name compbench)
[ "$engine" = "${engine%+containerd}" ] || arguments+=(--containerd-store)
at_end 'test/support/engine.sh stop "${arguments[@]}" || true'
export CRIDOCK_TEST_COMPANION=1
socket=$(test/support/engine.sh start "${arguments[@]}")
DOCKER=$(test/support/engine.sh docker "${engine%+containerd}")
export DOCKER CRIDOCK_TEST_DOCKER=unix://$socket
test/support/images.sh load "$CRIDOCK_TEST_DOCKER" >/dev/null
node --enable-source-maps "dist/test/bench/${3:-companion}.js" "${2:-40}"
