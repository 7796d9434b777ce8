#!/usr/bin/env bash
# Runs the whole of critest, the CRI's validation suite, on the modern node: in parts that follow one another, so that
# what has run is told where the rest is cut off.
#
# Usage:  critest.sh [ENGINE]              boots a node with that Engine (default 28.5.2; 26.1, 29.8, with +containerd) for it
#         critest.sh --running [FOCUS]     on the node that runs, with cridock on it; only the specs that FOCUS matches
# Input:  a finished build in dist/; Go, where critest is not built yet; groups.txt and exceptions.txt of test/conformance.
# Output: the names of the specs that failed; the last line is "N passed, N failed, N skipped", where known exceptions count
#         as skipped. critest's own output and reports are in .cache/critest-vm. Exit status 0 when none failed; 4 when
#         no virtual machine can be had. Takes an hour and more: the node is emulated.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"

here=$repo_root/test/node-vm
conformance=$repo_root/test/conformance
results=$repo_root/.cache/critest-vm
use_shipped_node
focus='' running=false
if [ "${1:-}" = --running ]; then
  running=true focus=${2:-}
else
  engine=${1:-28.5.2}
  export CRIDOCK_VM_NAME=critest
fi

# run_part NAME FLAGS...: one run of critest with these of ginkgo's flags; its report is results/NAME.json.
run_part() {
  local name=$1 endpoint=unix:///run/cri-dockerd.sock status=0
  shift
  say "$name"
  # Its status says only that some spec failed: the report says which.
  "$here/vm.sh" run "cd / && rm -rf /root/critest && mkdir /root/critest && { critest -config /dev/null -runtime-endpoint $endpoint \
    -image-endpoint $endpoint -ginkgo.no-color -ginkgo.v -ginkgo.seed 1 -ginkgo.timeout 5h -ginkgo.json-report /root/critest/$name.json \
    $(printf '%q ' "$@") >/root/critest/$name.log 2>&1 || true; }" </dev/null || status=$?
  "$here/vm.sh" get "/root/critest/$name.json" "/root/critest/$name.log" "$results" </dev/null || status=$?
  if [ "$status" != 0 ] || [ ! -s "$results/$name.json" ]; then
    say "$name ended without a report"
    broken=$((broken + 1))
  fi
}

rm -rf "$results"
mkdir -p "$results"
broken=0
if [ "$running" = false ]; then
  at_end '"$here/vm.sh" down || true'
  image=$("$here/make-image.sh" "$engine")
  "$here/vm.sh" up "$image"
  "$here/prepare.sh"
fi
if [ -n "$focus" ]; then
  run_part chosen -ginkgo.focus "$focus"
else
  # Each spec is in the first part that it fits, and in the last one those that fit none.
  number=0 earlier=()
  while read -r group; do
    number=$((number + 1))
    run_part "$(printf '%02d-%s' "$number" "$(echo "${group#*\] }" | tr -cs 'A-Za-z\n' -)")" -ginkgo.focus "$group" "${earlier[@]}"
    earlier+=(-ginkgo.skip "$group")
  done < <(echo '\[k8s.io\] AppArmor' && grep -v '^#' "$conformance/groups.txt")
  run_part 99-others "${earlier[@]}"
fi

jq -s add "$results"/*.json >"$results/all.json"
[ "$broken" = 0 ] || fail "$broken parts did not end"
node --enable-source-maps "$repo_root/dist/test/conformance/critest-report.js" "$results/all.json" "$conformance/exceptions.txt"
