#!/usr/bin/env bash
# Runs cases of test/kubelet on the modern node: cridock's package and a kubelet that leaves the cgroups to systemd (cgroupDriver:
# systemd, cgroup v2) there, the control plane and the tests on this machine, as all is slow there.
#
# Usage:  kubelet.sh [FILE...]        FILE: as for test/kubelet/run.sh; by default those that judge nothing by seconds. Not those
#                                     that look at the node's files or addresses: logs, network, static-pods, images, disruptive
# Input:  CRIDOCK_TEST_ENGINE         the node's Engine (default 28.5.2)
#         CRIDOCK_TEST_PATIENCE       how many times slower the node is taken to be (12)
#         A finished build in dist/; Go, where the programs of Kubernetes are not built yet.
# Output: as of test/kubelet/run.sh; logs in .cache/kubelet, cridock's as cri-docker.log.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

[ $# -gt 0 ] || set -- lifecycle init volumes security resources
vm=test/node-vm/vm.sh
engine=${CRIDOCK_TEST_ENGINE:-28.5.2}
export CRIDOCK_VM_NAME=kubelet CRIDOCK_TEST_CGROUP_DRIVER=systemd CRIDOCK_TEST_PATIENCE=${CRIDOCK_TEST_PATIENCE:-12}
use_shipped_node

programs=$(test/kubelet/build.sh "${CRIDOCK_TEST_KUBERNETES:-1.37.2}" agnhost)
image=$(test/node-vm/make-image.sh "$engine")
DOCKER=$(test/support/engine.sh docker 28.5.2)
at_end '"$vm" down || true'
"$vm" up "$image"
test/node-vm/prepare.sh
say 'loading the images of the tests'
"$vm" put "$programs/agnhost" /root/node
"$vm" run 'set -e; cd /root/node
  for image in pause:3.10 e2e-test-images/busybox:1.29-2; do docker pull -q registry.k8s.io/$image; done
  docker tag registry.k8s.io/e2e-test-images/busybox:1.29-2 busybox:latest
  tar -c agnhost | docker import -c "ENTRYPOINT [\"/agnhost\"]" - agnhost:test' >&2
CRIDOCK_TEST_NODE_ENGINE=unix://$("$vm" socket /run/docker.sock)
export DOCKER CRIDOCK_TEST_NODE_ENGINE

status=0
test/kubelet/run.sh "$@" || status=$?
"$vm" run 'journalctl -u cri-docker -o short-precise --no-pager' >.cache/kubelet/cri-docker.log || true
exit "$status"
