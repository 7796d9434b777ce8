#!/usr/bin/env bash
# Makes the Debian package of cridock.
#
# Usage:  build-deb.sh [amd64|arm64] [REVISION]      (default: this machine's, revision 1)
# Input:  what build-executable.sh made; it is called when that is missing. CRIDOCK_DEB_COMPRESSION (default xz).
# Output: dist/package/cridock_<version>-<revision>_<arch>.deb; its path is the only line on stdout.
set -euo pipefail

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
arch=${1:-$(dpkg --print-architecture)}
revision=${2:-1}
executable=dist/package/cridock-linux-$arch
[ -x "$executable" ] || deploy/package/build-executable.sh "$arch" >&2

version=$(node -p 'require("./package.json").version')-$revision
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

put() { install -D -m "$1" "$2" "$root/$3"; }
put 755 "$executable" usr/bin/cridock
ln -s cridock "$root/usr/bin/cri-dockerd"
put 644 deploy/systemd/cri-docker.service lib/systemd/system/cri-docker.service
put 644 deploy/systemd/cri-docker.socket lib/systemd/system/cri-docker.socket
put 644 deploy/package/config.yaml etc/cridock/config.yaml
put 644 deploy/package/debian/copyright usr/share/doc/cridock/copyright
mkdir -p "$root"/usr/share/man/man8 "$root"/usr/share/bash-completion/completions
node dist/deploy/package/man-page.js | gzip -9n >"$root/usr/share/man/man8/cridock.8.gz"
ln -s cridock.8.gz "$root/usr/share/man/man8/cri-dockerd.8.gz"
node dist/src/main.js completion >"$root/usr/share/bash-completion/completions/cridock"
ln -s cridock "$root/usr/share/bash-completion/completions/cri-dockerd"
chmod 644 "$root/usr/share/bash-completion/completions/cridock" "$root/usr/share/man/man8/cridock.8.gz"

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do install -m 755 "deploy/package/debian/$script" "$root/DEBIAN/$script"; done
echo /etc/cridock/config.yaml >"$root/DEBIAN/conffiles"
# Conflicts, Replaces and Provides together let apt put it in cri-dockerd's place in one step. Node.js is
# inside the executable.
cat >"$root/DEBIAN/control" <<CONTROL
Package: cridock
Version: $version
Architecture: $arch
Maintainer: The cridock authors <cridock@cridock.io>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Section: admin
Priority: optional
Depends: libc6 (>= 2.28), libstdc++6, util-linux, init-system-helpers, passwd
Recommends: iptables, containernetworking-plugins, docker.io (>= 20.10) | docker-ce (>= 5:20.10), systemd
Conflicts: cri-dockerd
Replaces: cri-dockerd
Provides: cri-dockerd
Description: CRI server for Kubernetes nodes that run Docker Engine
 The kubelet speaks the Container Runtime Interface (CRI v1) to cridock, which
 runs the pods with Docker Engine and CNI plugins. It takes the place of
 cri-dockerd while pods run: same socket, flags, units, labels and checkpoints.
CONTROL
deb=dist/package/cridock_${version}_$arch.deb
dpkg-deb --root-owner-group -Z"${CRIDOCK_DEB_COMPRESSION:-xz}" --build "$root" "$deb" >&2
echo "$deb"
