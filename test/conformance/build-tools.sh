#!/usr/bin/env bash
# Builds crictl and critest, the CRI's own command line client and validation suite, from their Go module.
#
# Input:  CRI_TOOLS_VERSION (default below); Go on PATH, with a module proxy that it can reach. CRI_TOOLS_SOURCE, a folder with
#         cri-tools' sources to build in place of the module: for a commit that is no release; then the version is a name.
# Output: .cache/cri-tools/<version>/{crictl,critest}; that folder's path is the only line on stdout.
# Exit:   0 built or already there; 3 no Go on this machine; else the failing command's status.
set -euo pipefail

version=${CRI_TOOLS_VERSION:-v1.36.0}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$root/.cache/cri-tools/$version

if [ -x "$out/crictl" ] && [ -x "$out/critest" ]; then
  echo "$out"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "build-tools: no Go on PATH: crictl and critest cannot be built" >&2
  exit 3
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "build-tools: building crictl and critest $version (a few minutes, once)" >&2

# The module cache is read-only, and a Go command run inside it would want to write go.sum: build from a copy.
sources=${CRI_TOOLS_SOURCE:-}
[ -n "$sources" ] || sources=$(cd "$work" && GOFLAGS=-mod=mod go mod download -json "sigs.k8s.io/cri-tools@$version" |
  sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -r "$sources" "$work/src"
chmod -R u+w "$work/src"

mkdir -p "$out"
cd "$work/src"
export CGO_ENABLED=0
ldflags="-s -w -X sigs.k8s.io/cri-tools/pkg/version.Version=$version"
go build -trimpath -ldflags "$ldflags" -o "$work/crictl" ./cmd/crictl
go test -c -trimpath -ldflags "$ldflags" -o "$work/critest" ./cmd/critest
mv "$work/crictl" "$work/critest" "$out/"
echo "$out"
