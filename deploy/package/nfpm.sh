#!/usr/bin/env bash
# Builds nfpm, which makes packages of all formats from one description, from its Go module.
#
# Input:  NFPM_VERSION (default below: later ones need modules that not every proxy serves); Go on PATH, with a module proxy that it can reach.
#         NFPM, an nfpm to take instead.
# Output: .cache/nfpm/<version>/nfpm; its path is the only line on stdout.
# Exit:   0 built or already there; 3 no Go on this machine; else the failing command's status.
set -euo pipefail

if [ -n "${NFPM:-}" ]; then
  echo "$NFPM"
  exit 0
fi
version=${NFPM_VERSION:-v2.45.0}
repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$repo_root/.cache/nfpm/$version
if [ -x "$out/nfpm" ]; then
  echo "$out/nfpm"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo 'nfpm: no Go on PATH: it cannot be built (NFPM names one to take instead)' >&2
  exit 3
fi
echo "nfpm: building $version (half a minute, once)" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && GOBIN=$work CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' "github.com/goreleaser/nfpm/v2/cmd/nfpm@$version") >&2
mkdir -p "$out"
mv "$work/nfpm" "$out/nfpm"
echo "$out/nfpm"
