#!/usr/bin/env bash
# Builds the daemon of an Engine that no Debian has, from its Go module.
#
# Usage:  build-dockerd.sh VERSION MODULE_VERSION     such as 29.8.0 v2.0.0-beta.24, of github.com/moby/moby/v2
# Input:  Go on PATH, with a module proxy that it can reach, where it is not built yet.
# Output: the program's path, the only line on stdout.
# Exit:   0 built or already there; 3 no Go on this machine, or no module; else the failing command's status.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=$1 module=github.com/moby/moby/v2@$2
program=$cache_dir/dockerd/$version-$(dpkg --print-architecture)/dockerd
if [ -x "$program" ]; then
  echo "$program"
  exit 0
fi
if ! command -v go >/dev/null; then
  say "Engine $version cannot be built: no Go on PATH"
  exit 3
fi
mkdir -p "$cache_dir/dockerd"
# Whoever comes second waits for the program rather than build it too.
exec 8>"$cache_dir/dockerd/lock"
flock 8
if [ ! -x "$program" ]; then
  work=$(mktemp -d "$cache_dir/dockerd/.build-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  say "building dockerd $version from $module (some minutes, once)"
  sources=$(cd "$work" && GOFLAGS=-mod=mod go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || sources=''
  if [ -z "$sources" ]; then
    say "Engine $version cannot be built: no Go module proxy has $module"
    exit 3
  fi
  # The module cache is read-only, and Go wants to write beside the module file that it works with.
  cp "$sources/go.mod" "$sources/go.sum" "$work/"
  chmod u+w "$work"/go.*
  (cd "$sources" && CGO_ENABLED=0 nice -n 10 go build -modfile "$work/go.mod" -mod mod -trimpath \
    -tags 'netgo osusergo static_build exclude_graphdriver_btrfs' \
    -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=$version" -o "$work/dockerd" ./cmd/dockerd) >&2
  mkdir -p "$(dirname "$program")"
  mv "$work/dockerd" "$program"
fi
echo "$program"
