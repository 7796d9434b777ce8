#!/usr/bin/env bash
# Makes a package of cridock: a deb, an rpm, or an archive with an install script. What is in it: nfpm.yaml.
#
# Usage:  build-package.sh deb|rpm|tgz [amd64|arm64] [RELEASE]      (default: this machine's, release 1)
# Input:  what build-executable.sh made; it is called when that is missing. SOURCE_DATE_EPOCH, the time of all files (default: that of
#         the last commit). CRIDOCK_PACKAGE_COMPRESSION: none for tests (default: as in nfpm.yaml). CRIDOCK_RELEASE_KEY, a file with a secret GPG
#         key, and NFPM_RPM_PASSPHRASE: signs an rpm.
# Output: dist/package/cridock_<version>-<release>_<arch>.deb, cridock-<version>-<release>.<machine>.rpm, or
#         cridock-<version>-linux-<arch>.tgz; its path is the only line on stdout.
set -euo pipefail

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
format=${1:-} arch=${2:-$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')}
version=$(node -p 'require("./package.json").version')
case $format in
  deb) out=cridock_$version-${3:-1}_$arch.deb ;;
  rpm) out=cridock-$version-${3:-1}.$(echo "$arch" | sed 's/amd64/x86_64/; s/arm64/aarch64/').rpm ;;
  tgz) out=cridock-$version-linux-$arch.tgz ;;
  *) echo 'usage: build-package.sh deb|rpm|tgz [amd64|arm64] [RELEASE]' >&2 && exit 1 ;;
esac
[ -x "dist/package/cridock-linux-$arch" ] && [ -e "dist/package/libexec-$arch/oci/runc" ] ||
  deploy/package/build-executable.sh "$arch" >&2
[ -e "dist/package/libexec-$arch/oci/runc" ] || {
  echo "build-package: a package has programs in C, and there is no C compiler for $arch" >&2
  exit 1
}
nfpm=$(deploy/package/nfpm.sh)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deploy/package/stage.sh "$work/stage"
export VERSION=$version RELEASE=${3:-1} ARCH=$arch
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}
# The time of all files is one; without it each has its own.
compression=${CRIDOCK_PACKAGE_COMPRESSION:-}
[ "$format" != tgz ] || compression=none
# An rpm is always compressed.
if [ "$format-$compression" = rpm-none ]; then compression=gzip:1; fi
{
  echo "mtime: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
  sed "s#STAGE/#$work/stage/#; ${compression:+s/^  compression: .*/  compression: $compression/}" deploy/package/nfpm.yaml
  if [ "$format" = rpm ] && [ -n "${CRIDOCK_RELEASE_KEY:-}" ]; then printf '  signature:\n    key_file: %s\n' "$CRIDOCK_RELEASE_KEY"; fi
} >"$work/nfpm.yaml"
mkdir -p dist/package

# The archive: the files of the deb below files/, and the script that puts them onto a node.
archive() {
  local folder=$work/cridock-$version
  "$nfpm" package --config "$work/nfpm.yaml" --packager deb --target "$work/files.deb" >&2
  mkdir -p "$folder/files"
  ar p "$work/files.deb" data.tar | tar -C "$folder/files" -xpf - --no-same-owner
  mv "$folder/files/usr/share/cridock/units" "$folder/units"
  rm -r "$folder/files/lib"
  cp LICENSE NOTICE CHANGELOG.md "$folder/"
  { sed '/^# service.sh$/,$d' deploy/package/scripts/tgz/install.sh && cat deploy/package/scripts/service.sh &&
    sed '1,/^# service.sh$/d' deploy/package/scripts/tgz/install.sh; } >"$folder/install.sh"
  chmod 755 "$folder/install.sh"
  tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "cridock-$version" | gzip -9n >"$work/$out"
}

if [ "$format" = tgz ]; then archive; else "$nfpm" package --config "$work/nfpm.yaml" --packager "$format" --target "$work/$out" >&2; fi
mv "$work/$out" "dist/package/$out"
echo "dist/package/$out"
