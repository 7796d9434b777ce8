#!/usr/bin/env bash
# Sees to it that there are C compilers and binutils for amd64 and arm64: as root, on a system with apt, it installs what is missing.
#
# Usage:  compilers.sh
# Exit:   1 where something is missing that it cannot install; stderr names it.
set -euo pipefail

missing=()
for tool in x86_64-linux-gnu-{gcc,strip} aarch64-linux-gnu-{gcc,strip}; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "compilers: missing: ${missing[*]}" >&2
  exit 1
fi
apt-get -qq update >&2
apt-get -qq -y --no-install-recommends install binutils gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
  gcc-x86-64-linux-gnu libc6-dev-amd64-cross >&2
