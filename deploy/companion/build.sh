#!/usr/bin/env bash
# Compiles the companion OCI runtime, and links the name of the shim that leads to it. Where there is no C compiler for that kind
# of machine it says so and makes nothing: cridock then does without.
#
# Usage:  build.sh FOLDER [amd64|arm64]      (default: this machine's)
# Output: FOLDER/oci/runc, FOLDER/containerd-shim-cridock-v2
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1/oci"
out=$1/oci/runc shim=$1/containerd-shim-cridock-v2
compiler=$("$here/../compiler.sh" "${@:2:1}")
if [ -L "$shim" ] && [ -z "$(find "$here" -name '*.[ch]' -newer "$out" 2>&1)" ]; then exit 0; fi
if ! command -v "$compiler" >/dev/null; then
  echo "companion/build: no C compiler ($compiler): the companion runtime is not made" >&2
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-Os -Wall -Wextra -Werror)
# It runs before the C library does: nothing may be made a call of it.
"$compiler" "${flags[@]}" -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns \
  -c -o "$work/pass-on.o" "$here/pass-on.c"
"$compiler" -nostdlib -static -Wl,-e,enter,--defsym=_start=0 -o "$work/alone" "$work/pass-on.o"
# What is in use never sees a half-written file.
"$compiler" "${flags[@]}" -static -s -Wl,-e,enter -o "$out.new" "$here/runc.c" "$work/pass-on.o"
mv "$out.new" "$out"
ln -sfn oci/runc "$shim"
