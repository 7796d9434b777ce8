#!/usr/bin/env bash
# Rehearses that nothing is changed or left on a node, however starts by the companion runtime are cut off: pods with user
# namespaces are started while cridock, dockerd, containerd, a shim or the companion are killed at random instants; every file of
# the layer store, every mount and every address is held against what was there before.
#
# Usage:  rehearse.sh [ENGINE [--runs N] [--seed N] [--plain]]     (default: 28.5.2, 20 runs, seed 1)
#   --plain: pods without user namespaces, which do without the companion; with CRIDOCK_NETWORK_AHEAD=true they have it for
#   their network
# Output: a line a run, with its seed; the last line is "N passed, N failed". Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

[ "${CRIDOCK_TEST_APART:-}" = 1 ] || exec test/support/apart.sh test/companion/rehearse.sh "$@"
engine=${1:-28.5.2}
[ $# = 0 ] || shift
arguments=("${engine%+containerd}" --name rehearse --live-restore)
[ "$engine" = "${engine%+containerd}" ] || arguments+=(--containerd-store)
leave() { test/support/engine.sh stop "${arguments[@]}" || true; }
at_end leave
export CRIDOCK_TEST_COMPANION=1
socket=$(test/support/engine.sh start "${arguments[@]}")
DOCKER=$(test/support/engine.sh docker "${engine%+containerd}")
export DOCKER CRIDOCK_TEST_DOCKER=unix://$socket CRIDOCK_TEST_ENGINE_WORDS="${arguments[*]}"
test/support/images.sh load "$CRIDOCK_TEST_DOCKER" >/dev/null
node --enable-source-maps dist/test/companion/rehearse.js "$@"
