#!/usr/bin/env bash
# `npm run release`: makes all that a release has: for amd64 and arm64 a deb, an rpm and an archive; a bill of materials; checksums;
# signatures. From the same commit, on the same kind of machine with the same tools, the unsigned bytes are the same each time.
#
# Usage:  release.sh [FOLDER]      (default: dist/release)
# Input:  SOURCE_DATE_EPOCH, the time of all files (default: that of the last commit).
#         CRIDOCK_RELEASE_KEY, a file with a secret GPG key (ASCII), and CRIDOCK_RELEASE_PASSPHRASE where it has one: with it rpms are signed
#         inside, as rpm and dnf want it, and SHA256SUMS beside itself (SHA256SUMS.asc). Without it nothing is signed.
#         It needs npm, Go, binutils and a C compiler for both kinds of machine; as root, on a system with apt, it installs the latter two.
# Output: FOLDER, made anew; its files on stdout.
set -euo pipefail

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
folder=${1:-dist/release}
# What test builds may set.
unset CRIDOCK_PACKAGE_COMPRESSION CRIDOCK_NODE_VERSION
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH NFPM_RPM_PASSPHRASE=${CRIDOCK_RELEASE_PASSPHRASE:-}
say() { echo "release: $*" >&2; }

deploy/package/compilers.sh
# As tests do, it runs on the Node.js that it ships.
PATH=$(deploy/package/node.sh):$PATH
[ -z "$(git status --porcelain)" ] || say 'the work tree has changes that are in no commit'
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then npm ci --no-audit --no-fund >&2; fi
npm run --silent build
rm -rf "$folder"
mkdir -p "$folder"
version=$(node -p 'require("./package.json").version')
for arch in amd64 arm64; do
  deploy/package/build-executable.sh "$arch" >/dev/null
  for format in deb rpm tgz; do
    cp "$(deploy/package/build-package.sh "$format" "$arch")" "$folder/"
  done
done
npm sbom --sbom-format cyclonedx |
  node dist/deploy/package/sbom.js dist/package >"$folder/cridock-$version.cdx.json"
(cd "$folder" && sha256sum -- * >.sums && mv .sums SHA256SUMS)

if [ -n "${CRIDOCK_RELEASE_KEY:-}" ]; then
  deploy/package/sign.sh "$folder"
else
  say 'nothing is signed: CRIDOCK_RELEASE_KEY names no key'
fi
ls -l "$folder"
