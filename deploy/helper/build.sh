#!/usr/bin/env bash
# Compiles the small helpers: netns-dial, which makes connections in pods' networks, and plugin-runner, which starts CNI
# plugins. Where there is no C compiler for that kind of machine it says so and makes nothing: cridock then does without.
#
# Usage:  build.sh FOLDER [amd64|arm64]      (default: this machine's)
# Output: FOLDER/{netns-dial,plugin-runner}
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
machine=$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
arch=${2:-$machine}
compiler=${CC:-cc}
if [ "$arch" != "$machine" ]; then
  case $arch in
    amd64) compiler=x86_64-linux-gnu-gcc ;;
    arm64) compiler=aarch64-linux-gnu-gcc ;;
  esac
fi
mkdir -p "$folder"
if ! command -v "$compiler" >/dev/null; then
  echo "helper/build: no C compiler for $arch: the helpers are not made" >&2
  exit 0
fi
for helper in netns-dial plugin-runner; do
  if [ "$folder/$helper" -nt "$here/$helper.c" ]; then continue; fi
  # One that runs never sees a half-written file.
  "$compiler" -Os -static -s -Wall -Wextra -Werror -o "$folder/$helper.new" "$here/$helper.c"
  mv "$folder/$helper.new" "$folder/$helper"
done
