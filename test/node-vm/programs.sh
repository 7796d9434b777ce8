# shellcheck shell=bash
# Programs that making and running the node need and a machine may lack. To be sourced, after common.sh.
#
# Defines: get_program NAME PACKAGE   installs PACKAGE where there is no NAME; waits for others that install meanwhile.

get_program() {
  local install=(apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$2")
  command -v "$1" >/dev/null && return
  export DEBIAN_FRONTEND=noninteractive
  # Without a list of packages, or with an old one, it fails.
  "${install[@]}" >&2 2>/dev/null || { apt-get -qq -o DPkg::Lock::Timeout=600 update >&2 && "${install[@]}" >&2; }
}
