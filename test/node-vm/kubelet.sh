#!/usr/bin/env bash
# Runs cases of test/kubelet on the modern node: a whole cluster of one node there, whose kubelet leaves the cgroups to
# systemd (cgroupDriver: systemd, cgroup v2).
#
# Usage:  kubelet.sh [FILE...]        FILE: as for test/kubelet/run.sh; by default 36 cases that judge nothing by seconds
# Input:  CRIDOCK_TEST_ENGINE         the node's Engine (default 28.5.2), as make-image.sh names it
#         CRIDOCK_TEST_PATIENCE       how many times slower the node is taken to be (12)
#         CRIDOCK_TEST_FULL=1         all cases of these files, and not only the part for every run
#         A finished build in dist/; Go, where the programs of Kubernetes are not built yet.
# Output: as of test/kubelet/run.sh; logs in .cache/kubelet-vm. Takes half an hour and more.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"
use_shipped_node

[ $# -gt 0 ] || set -- init lifecycle resources
vm=test/node-vm/vm.sh
export CRIDOCK_VM_NAME=kubelet CRIDOCK_VM_MEMORY=${CRIDOCK_VM_MEMORY:-4096}
work=$(mktemp -d)
leave() {
  "$vm" down || true
  rm -rf "$work"
}

version=${CRIDOCK_TEST_KUBERNETES:-1.37.2}
programs=(kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl etcd agnhost)
folder=$(test/kubelet/build.sh "$version" "${programs[@]}")
image=$(test/node-vm/make-image.sh "${CRIDOCK_TEST_ENGINE:-28.5.2}")
trap leave EXIT
trap 'exit 130' INT TERM
"$vm" up "$image"

say 'copying the programs to the node'
mapfile -t modules < <(npm ls --all --omit=dev --parseable | sed -n "s|^$repo_root/||p")
tar -cf "$work/cridock.tar" dist/src dist/test dist/libexec proto package.json deploy test "${modules[@]}"
cp "$(command -v node)" "$work/node"
"$vm" put "$work/cridock.tar" "$work/node" /root/cridock
"$vm" put "${programs[@]/#/$folder/}" "/var/cache/cridock-test/kubernetes/$(basename "$folder")"
"$vm" run 'set -e
  cd /root/cridock
  mv node /usr/local/bin/
  tar -xf cridock.tar && rm cridock.tar
  node --version >&2
  docker pull -q registry.k8s.io/pause:3.10
  docker pull -q registry.k8s.io/e2e-test-images/busybox:1.29-2
  docker tag registry.k8s.io/e2e-test-images/busybox:1.29-2 busybox:latest
  tar -C /var/cache/cridock-test/kubernetes/'"$(basename "$folder")"' --numeric-owner --owner=0 --group=0 -c agnhost | docker import -c "ENTRYPOINT [\"/agnhost\"]" - agnhost:test' >&2

status=0
"$vm" run "cd /root/cridock && CRIDOCK_TEST_NODE_ENGINE=unix:///run/docker.sock CRIDOCK_TEST_CGROUP_DRIVER=systemd \
  CRIDOCK_TEST_KUBERNETES=$version CRIDOCK_TEST_PATIENCE=${CRIDOCK_TEST_PATIENCE:-12} CRIDOCK_TEST_FULL=${CRIDOCK_TEST_FULL:-} \
  test/kubelet/run.sh $*" || status=$?
"$vm" get /root/cridock/.cache/kubelet "$repo_root/.cache/kubelet-vm" || true
exit "$status"
