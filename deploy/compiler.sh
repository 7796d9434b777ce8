#!/usr/bin/env bash
# Names the C compiler for a kind of machine: CC or cc for this one, a cross-compiler for another. It may not be installed.
#
# Usage:  compiler.sh [amd64|arm64]      (default: this machine's)
set -euo pipefail

machine=$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
arch=${1:-$machine}
compiler=${CC:-cc}
if [ "$arch" != "$machine" ]; then
  case $arch in
    amd64) compiler=x86_64-linux-gnu-gcc ;;
    arm64) compiler=aarch64-linux-gnu-gcc ;;
  esac
fi
echo "$compiler"
