#!/usr/bin/env bash
# Runs the soak and keeps what it told and its curves in record/, to be looked at and committed.
#
# Usage:  test/fault/soak/record.sh [OPTIONS OF soak.js]    (default: an hour, 100 pods, one of them replaced a second)
# Input:  a finished build in dist/; root, as the soak starts an Engine of its own; rsvg-convert (librsvg2-bin).
# Output: record/soak.txt, which is also printed as it grows, and record/soak.png. Exit status: that of the soak.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v rsvg-convert >/dev/null || { echo 'rsvg-convert is missing: apt-get install librsvg2-bin' >&2; exit 1; }
svg=$(mktemp --suffix .svg)
trap 'rm -f "$svg"' EXIT

status=0
node "$here/../../../dist/test/fault/soak/soak.js" --svg "$svg" "$@" 2>&1 | tee "$here/record/soak.txt" || status=$?
if [ -s "$svg" ]; then rsvg-convert --width 1200 --output "$here/record/soak.png" "$svg"; fi
exit "$status"
