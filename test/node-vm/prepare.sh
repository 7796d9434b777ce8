#!/usr/bin/env bash
# Puts cridock's Debian package and crictl, with a pod network, on the node that runs: as docs/installing.md says.
#
# Usage:  prepare.sh
# Input:  a finished build in dist/; Go, where crictl and critest are not built yet: without it the node goes without.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
cd "$repo_root"

vm=test/node-vm/vm.sh
deploy/package/build-executable.sh >/dev/null 2>&1 || fail 'the executable could not be built'
deb=$(CRIDOCK_PACKAGE_COMPRESSION=none deploy/package/build-package.sh deb 2>/dev/null)
files=("$deb" deploy/crictl/crictl.yaml deploy/cni/10-bridge.conflist)
if tools=$(test/conformance/build-tools.sh); then files+=("$tools/crictl" "$tools/critest"); fi
"$vm" put "${files[@]}" /root/node
say "installing $(basename "$deb")"
"$vm" run 'cd /root/node && mkdir -p /etc/cni/net.d && cp crictl.yaml /etc/ && cp 10-bridge.conflist /etc/cni/net.d/ &&
  { [ ! -e crictl ] || mv crictl critest /usr/local/bin/; } && dpkg -i cridock_*.deb' >&2
