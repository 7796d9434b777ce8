#!/usr/bin/env bash
# Runs the [NodeConformance] specs of Kubernetes' own e2e suite on a cluster of one node, with cridock under a real kubelet.
#
# Usage:  node-conformance.sh [FOCUS]    FOCUS: a regular expression, for specs whose names match it too
# Input:  CRIDOCK_TEST_FULL=1            those marked [Slow] too: some wait for a back-off of minutes
#         CRIDOCK_TEST_ENGINE            the Engine (default 28.5.2), with "+containerd" behind it for its image store
#         CRIDOCK_TEST_KUBERNETES        the version of the kubelet, of the control plane and of the suite (default 1.37.2)
#         A finished build in dist/; Go, where the programs are not built yet; exceptions-node-conformance.txt beside this.
# Output: the names of the specs that failed; the last line is "N passed, N failed, N skipped", where known exceptions count
#         as skipped. The suite's own output is in .cache/node-conformance.log. Exit status 0 when none failed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

here=$repo_root/test/conformance support=$repo_root/test/support
engine_choice=${CRIDOCK_TEST_ENGINE:-28.5.2} version=${CRIDOCK_TEST_KUBERNETES:-1.37.2}
registry=127.0.0.1:$((port_base + 4))
engine_arguments=("${engine_choice%+containerd}" --name e2e --registry "$registry")
[ "$engine_choice" = "${engine_choice%+containerd}" ] || engine_arguments+=(--containerd-store)
work=$(mktemp -d)
report=$repo_root/.cache/node-conformance.json log=$repo_root/.cache/node-conformance.log

leave() {
  cp "$run_dir/e2e-cluster/"{cridock,kubelet}.log "$repo_root/.cache/" 2>/dev/null || true
  test/kubelet/cluster.sh stop e2e || true
  "$support/engine.sh" stop "${engine_arguments[@]}" || true
  "$support/registry.sh" stop --name e2e || true
  rm -rf "$work"
}

mkdir -p "$repo_root/.cache"
programs=$(test/kubelet/build.sh "$version" kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl etcd agnhost e2e.test ginkgo)
deploy/quickstart/install-prerequisites.sh --without-engine >&2
at_end leave
endpoint=unix://$("$support/engine.sh" start "${engine_arguments[@]}")
DOCKER=$("$support/engine.sh" docker "${engine_choice%+containerd}")
export DOCKER
"$support/images.sh" load "$endpoint"
"$support/registry.sh" start --name e2e --port "${registry#*:}" >/dev/null
"$here/e2e-images.sh" "$endpoint" "$registry" "$programs"

# What specs take for the kubelet's defaults, and the other tests here have otherwise.
cat >"$work/kubelet.conf" <<'CONFIG'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
allowedUnsafeSysctls: ["kernel.shm*"]
crashLoopBackOff: {maxContainerRestartPeriod: 300s}
containerLogMaxSize: 10Mi
containerLogMaxFiles: 5
containerLogMonitorInterval: 10s
podPidsLimit: -1
CONFIG
cluster=$(CRIDOCK_TEST_KUBELET_CONFIG=$work/kubelet.conf test/kubelet/cluster.sh start e2e "$endpoint")

skip='\[Alpha\]|\[Feature:|OffByDefault|\[Flaky\]|\[Disruptive\]'
[ -n "${CRIDOCK_TEST_FULL:-}" ] || skip+='|\[Slow\]'
rm -f "$report"
say "the suite's output is in $log"
# Its status says only that some spec failed: the report says which.
(cd "$work" && "$programs/ginkgo" --procs=4 --no-color --seed=1 --timeout=3h --keep-going --output-dir="$(dirname "$report")" \
  --json-report="$(basename "$report")" --focus="\[NodeConformance\].*${1:-}|${1:-}.*\[NodeConformance\]" --skip="$skip" "$programs/e2e.test" -- \
  --kubeconfig="$cluster/kubeconfig" --kubectl-path="$programs/kubectl" --provider=local --disable-log-dump \
  --dump-logs-on-failure=false) </dev/null >"$log" 2>&1 || true
if [ ! -s "$report" ]; then
  tail -n 20 "$log" >&2
  fail 'the suite ended without a report'
fi
node --enable-source-maps dist/test/conformance/critest-report.js "$report" "$here/exceptions-node-conformance.txt"
