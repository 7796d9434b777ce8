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
for helper in netns-dial plugin-runner; do
  built=dist/package/libexec-$arch/$helper
  if [ -x "$built" ]; then put 755 "$built" "usr/libexec/cridock/$helper"; fi
done
put 644 deploy/systemd/cri-docker.service lib/systemd/system/cri-docker.service
put 644 deploy/systemd/cri-docker.socket lib/systemd/system/cri-docker.socket
put 644 deploy/package/config.yaml etc/cridock/config.yaml
put 644 deploy/package/debian/copyright usr/share/doc/cridock/copyright
put 644 NOTICE usr/share/doc/cridock/NOTICE
gzip -9n <dist/package/third-party-notices.txt >"$root/usr/share/doc/cridock/third-party-notices.txt.gz"
chmod 644 "$root/usr/share/doc/cridock/third-party-notices.txt.gz"
# What doctor's remedies and the documentation name.
for file in deploy/cni/* deploy/kubeadm/* deploy/kubelet/* deploy/crictl/* deploy/ansible/*; do
  [ ! -f "$file" ] || put 644 "$file" "usr/share/cridock/${file#deploy/}"
done
mkdir -p "$root"/etc/cridock/conf.d "$root"/usr/share/man/man8
while read -r page; do
  node dist/deploy/package/man-page.js "$page" | gzip -9n >"$root/usr/share/man/man8/$page.8.gz"
  chmod 644 "$root/usr/share/man/man8/$page.8.gz"
done < <(
  echo cridock
  node dist/deploy/package/man-page.js --list
)
ln -s cridock.8.gz "$root/usr/share/man/man8/cri-dockerd.8.gz"
# completion SHELL FILE ALIAS: the script, and a link by the name of the alias where the shell looks by name.
completion() {
  install -D -m 644 /dev/null "$root/$2"
  node dist/src/main.js completion "$1" >"$root/$2"
  [ -z "${3:-}" ] || ln -s "$(basename "$2")" "$root/$(dirname "$2")/$3"
}
completion bash usr/share/bash-completion/completions/cridock cri-dockerd
completion zsh usr/share/zsh/vendor-completions/_cridock
completion fish usr/share/fish/vendor_completions.d/cridock.fish cri-dockerd.fish

mkdir "$root/DEBIAN"
for script in preinst postinst prerm postrm; do install -m 755 "deploy/package/debian/$script" "$root/DEBIAN/$script"; done
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
