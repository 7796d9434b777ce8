#!/usr/bin/env bash
# Prints the folder of a criu that runs on this machine: Debian unstable's (4.2.1 at the time of writing), with the libraries of its
# own that it needs, whose paths are written into it. Nothing is installed.
#
# Exit: 0 done; 1 it cannot be had here, or does not run on this kernel, as stderr says.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(criu libcompel1 libbsd0 libmd0 libc6 libgnutls30t64 libnet9 libnftables1 libnl-3-200 libprotobuf-c1 libuuid1 libgmp10
  libhogweed6t64 libidn2-0 libnettle8t64 libp11-kit0 libtasn1-6 libunistring5 libjansson4 libmnl0 libnftnl11 libxtables12 libffi8
  libgcc-s1)
unpacked=$(unpacked_debian sid "${packages[@]}")
if [ ! -e "$unpacked/patched/criu" ]; then
  patchelf=$(unpacked_debian bookworm patchelf)
  loader=$(find "$unpacked" -name 'ld-linux*.so.*' | head -n 1)
  libraries=$(dirname "$(find "$unpacked" -name libc.so.6)")
  mkdir -p "$unpacked/patched"
  cp "$unpacked/usr/sbin/criu" "$unpacked/patched/.criu.new"
  "$patchelf/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$unpacked/patched/.criu.new"
  mv "$unpacked/patched/.criu.new" "$unpacked/patched/criu"
fi
"$unpacked/patched/criu" check >&2 || fail 'criu does not run on this kernel'
echo "$unpacked/patched"
