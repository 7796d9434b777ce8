#!/usr/bin/env bash
# `npm run watch -- PATH...`: compiles at each save, and runs the unit tests in these files or folders anew when what they use has
# changed, as in `npm run watch -- test/unit/state`.
#
# Input:  CRIDOCK_TEST_NODE=own, as `npm test`.
# Ends with Ctrl-C.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/common.sh"
cd "$repo_root"

[ $# -gt 0 ] || set -- test/unit
files=()
for part in "$@"; do
  [ -e "$part" ] || fail "there is no $part"
  mapfile -t -O ${#files[@]} files < <(find "$part" -name '*.test.ts' | sort | sed 's|^|dist/|; s|\.ts$|.js|')
done
[ ${#files[@]} -gt 0 ] || fail "there are no tests in $*"
use_shipped_node
npm run --silent build
node_modules/.bin/tsc -p tsconfig.json --watch --preserveWatchOutput &
compiler=$!
trap 'kill "$compiler" 2>/dev/null || true' EXIT
node --enable-source-maps --watch --test "${files[@]}"
