#!/usr/bin/env bash
# Compiles the companion OCI runtime, and puts the shim that leads to it beside it. Where there is no C compiler for that
# kind of machine it says so and makes nothing: cridock then does without.
#
# Usage:  build.sh FOLDER [amd64|arm64] [PLACE]   (default: this machine's; PLACE: where the folder will be, itself)
# Output: FOLDER/oci/runc, FOLDER/containerd-shim-cridock-v2
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1/oci"
folder=$(cd "$1" && pwd)
place=${3:-$folder}
compiler=$("$here/../compiler.sh" "${@:2:1}")
out=$folder/oci/runc shim=$folder/containerd-shim-cridock-v2
if [ "$out" -nt "$here/runc.c" ] && [ "$shim" -nt "$here/containerd-shim-cridock-v2" ]; then exit 0; fi
if ! command -v "$compiler" >/dev/null; then
  echo "companion/build: no C compiler ($compiler): the companion runtime is not made" >&2
  exit 0
fi
# What is in use never sees a half-written file.
"$compiler" -Os -static -s -Wall -Wextra -Werror -o "$out.new" "$here/runc.c"
sed "s:/usr/libexec/cridock/oci:$place/oci:" "$here/containerd-shim-cridock-v2" >"$shim.new"
chmod 755 "$shim.new"
mv "$out.new" "$out"
mv "$shim.new" "$shim"
