#!/usr/bin/env bash
# Makes cridock one executable file: Node.js with all code, and the files that the code reads, inside.
#
# Usage:  build-executable.sh [amd64|arm64]      (default: this machine's)
# Input:  CRIDOCK_NODE_VERSION, another release of Node.js than node.sh says.
# Output: dist/package/cridock-linux-<arch>; its path is the only line on stdout. Beside it libexec-<arch>, with its helpers and the companion runtime, and
#         third-party-notices.txt, and for the bill of materials bundled.txt, node-versions.json and node-packages.txt.
set -euo pipefail

# dockerode's HTTP client parses addresses in a way that Node.js warns of (DEP0169); ours are checked before.
node_flags=(--disable-warning=DEP0169)
# What the packed Node.js is always started with, to keep its memory small: a small young generation, an old one that is
# collected before it has grown far. The optimising compilers are off until the service is up, by optimiseNot in
# src/util/own-program.ts, and the one for baseline code works in the main thread: Node.js's end waits for compilers of other threads, and
# these may wait for the main thread to collect garbage (https://github.com/nodejs/node/issues/54918).
v8_flags=(--max-semi-space-size=4 --optimize-for-size --heap-growing-percent=50 --v8-pool-size=1 --no-concurrent-sparkplug)
# By which Node.js finds out that it holds a program: https://nodejs.org/api/single-executable-applications.html
fuse=NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
machine=$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
arch=${1:-$machine}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=dist/package/cridock-linux-$arch
mkdir -p dist/package

host_node=$(deploy/package/node.sh "$machine")/node
target_node=$(deploy/package/node.sh "$arch")/node
node_version=$("$host_node" -p process.versions.node)
commit=$(git rev-parse --short=8 HEAD 2>/dev/null || echo HEAD)
node dist/deploy/package/bundle.js "$work" "$commit" "$node_version" "$(dirname "$target_node")/LICENSE" >&2

# Paths of this machine are in no file that is made. Compiled code fits one kind of machine and one set of flags.
if [ "$arch" = "$machine" ]; then code_cache=true; else code_cache=false; fi
cat >"$work/sea.json" <<JSON
{
  "main": "cridock.cjs",
  "output": "cridock.blob",
  "disableExperimentalSEAWarning": true,
  "useCodeCache": $code_cache,
  "execArgv": [$(printf '"%s",' "${v8_flags[@]}" "${node_flags[@]}" | sed 's/,$//')],
  "execArgvExtension": "env",
  "assets": {
    "package.json": "package.json",
    "proto/runtime/v1/api.proto": "$repo_root/proto/runtime/v1/api.proto",
    "proto/nri/v1alpha1/nri.proto": "$repo_root/proto/nri/v1alpha1/nri.proto"
  }
}
JSON
(cd "$work" && "$host_node" "${v8_flags[@]}" --random-seed=1 --experimental-sea-config sea.json) >&2
cp "$target_node" "$work/cridock"
chmod 755 "$work/cridock"
# Symbols for debuggers are a tenth of the file; binutils strip the files of their own kind of machine only.
strip=strip
[ "$arch" = "$machine" ] || strip=$(echo "$arch" | sed 's/amd64/x86_64/; s/arm64/aarch64/')-linux-gnu-strip
"$strip" "$work/cridock" 2>/dev/null || echo "build-executable: not stripped: no binutils for $arch" >&2
node_modules/.bin/postject "$work/cridock" NODE_SEA_BLOB "$work/cridock.blob" --sentinel-fuse "$fuse" >&2
# Written in one go: of a file that was written here and there, as by postject, the page cache maps far more into memory.
install -m 755 "$work/cridock" "$out"
install -m 644 "$work/third-party-notices.txt" "$work/bundled.txt" dist/package/
# Of both kinds of machine, whose sources are the same.
"$host_node" -p 'JSON.stringify(process.versions, undefined, 2)' >dist/package/node-versions.json
deploy/package/node.sh --hashes >dist/package/node-packages.txt
deploy/helper/build.sh "dist/package/libexec-$arch" "$arch" >&2
deploy/companion/build.sh "dist/package/libexec-$arch" "$arch" >&2
# From where it is it finds them as where it is installed: else what is measured with it runs without.
if [ "$arch" = "$machine" ]; then
  mkdir -p dist/libexec
  ln -sfn "../package/libexec-$arch" dist/libexec/cridock
fi
echo "$out"
