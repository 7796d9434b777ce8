#!/usr/bin/env bash
# Runs critest, the CRI's validation suite, against cridock.
#
# Usage:  critest.sh [--all | --logs | --streaming | --websocket | --stats | --userns | --nri] [ENGINE]
#                      ENGINE: 20.10, 26.1, 28.5.2 (default), 29.8; with +containerd for its image store
#         --all        every group, not only those in groups.txt
#         --logs       the groups whose specs read container logs only
#         --streaming  the Streaming group and execSync only, over SPDY
#         --websocket  the Streaming group only, over WebSocket
#         --stats      the specs of statistics and metrics only; those of metrics are in no release up to v1.36.0
#         --userns     the specs of user namespaces only, with the companion runtime (needs a C compiler)
#         --nri        the specs of NRI only, with the companion runtime; they are in no release up to v1.36.0
# Input:  a finished build in dist/; Go, where critest is not built yet; groups.txt and exceptions.txt beside this,
#         and exceptions-ENGINE.txt for one Engine.
# Output: the names of the specs that failed; the last line is "N passed, N failed, N skipped", where known
#         exceptions count as skipped. critest's own output is in .cache/critest.log, its report in
#         .cache/critest.json. Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=node.sh
. "$(dirname "${BASH_SOURCE[0]}")/node.sh"

here=$repo_root/test/conformance nri=''
focus=(-ginkgo.focus "$(grep -v '^#' "$here/groups.txt" | paste -sd '|')")
case ${1:-} in
  --all) focus=() && shift ;;
  --logs) focus=(-ginkgo.focus 'support log|Security Context|Multiple Containers') && shift ;;
  --streaming) focus=(-ginkgo.focus 'Streaming|execSync') && shift ;;
  --stats) focus=(-ginkgo.focus ' stats | metrics') && shift ;;
  --userns)
    focus=(-ginkgo.focus 'UserNamespaces')
    export CRIDOCK_TEST_COMPANION=1
    shift
    ;;
  --nri)
    focus=(-ginkgo.focus 'NRI')
    nri=1
    export CRIDOCK_TEST_COMPANION=1
    shift
    ;;
  --websocket)
    focus=(-ginkgo.focus Streaming -websocket-exec -websocket-attach -websocket-portforward)
    shift
    ;;
esac
tools=$("$here/build-tools.sh")
start_node critest "${1:-28.5.2}"
[ -z "$nri" ] || focus+=(-nri-socket "$(dirname "$cri_socket")/nri.sock")

report=$repo_root/.cache/critest.json
log=$repo_root/.cache/critest.log
mkdir -p "$repo_root/.cache"
rm -f "$report"
say "critest on Engine ${1:-28.5.2}: output in $log"
# Its status says only that some spec failed: the report says which.
(cd / && "$tools/critest" -config /dev/null -runtime-endpoint "unix://$cri_socket" -image-endpoint "unix://$cri_socket" \
  -ginkgo.no-color -ginkgo.seed 1 -ginkgo.timeout 25m -ginkgo.json-report "$report" "${focus[@]}") \
  </dev/null >"$log" 2>&1 || true
if [ ! -s "$report" ]; then
  tail -n 20 "$log" >&2
  fail 'critest ended without a report'
fi
exceptions=("$here/exceptions.txt" "$here/exceptions-${1:-28.5.2}.txt")
[ -e "${exceptions[1]}" ] || unset 'exceptions[1]'
node --enable-source-maps "$repo_root/dist/test/conformance/critest-report.js" "$report" "${exceptions[@]}"
