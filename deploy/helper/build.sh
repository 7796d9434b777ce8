#!/usr/bin/env bash
# Compiles the small helpers: netns-dial, which makes connections in pods' networks, and plugin-runner, which starts CNI
# plugins. Where there is no C compiler for that kind of machine it says so and makes nothing: cridock then does without.
#
# Usage:  build.sh FOLDER [amd64|arm64]      (default: this machine's)
# Output: FOLDER/{netns-dial,plugin-runner}
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
compiler=$("$here/../compiler.sh" "${@:2:1}")
mkdir -p "$folder"
if ! command -v "$compiler" >/dev/null; then
  echo "helper/build: no C compiler ($compiler): the helpers are not made" >&2
  exit 0
fi
for helper in netns-dial plugin-runner; do
  if [ "$folder/$helper" -nt "$here/$helper.c" ]; then continue; fi
  # One that runs never sees a half-written file.
  "$compiler" -Os -static -s -Wall -Wextra -Werror -o "$folder/$helper.new" "$here/$helper.c"
  mv "$folder/$helper.new" "$folder/$helper"
done
