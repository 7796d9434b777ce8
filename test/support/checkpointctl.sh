#!/usr/bin/env bash
# Builds checkpointctl, the tool that others look into checkpoints with, from its Go module into the cache of the tests, once, and
# prints its path.
#
# Exit: 0 done; 4 it cannot be built here (no Go, no module proxy), as stderr says.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=v1.6.0
program=$cache_dir/checkpointctl/$version-$(dpkg --print-architecture)/checkpointctl
if [ ! -x "$program" ]; then
  command -v go >/dev/null || { say 'there is no Go to build checkpointctl with' && exit 4; }
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  GOBIN=$work CGO_ENABLED=0 GOTOOLCHAIN=auto GOFLAGS=-mod=mod nice -n 10 go install -trimpath -ldflags '-s -w' \
    "github.com/checkpoint-restore/checkpointctl@$version" >&2 || { say 'checkpointctl cannot be built' && exit 4; }
  mkdir -p "$(dirname "$program")"
  mv "$work/checkpointctl" "$program.new"
  mv "$program.new" "$program"
fi
echo "$program"
