#!/usr/bin/env bash
# Takes away what tests that failed or were killed have left: processes, Engines, registries, bridges, mounts and files.
#
# Usage:  clear-left.sh FOLDER    the folder that the tests had as TMPDIR (tests_folder of common.sh): what has it in its environment
#                                 was started by them
# Exit:   0 done; 1 something is still mounted below FOLDER, which stays: it may be the machine's own.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=${1:-}
[ -d "$folder" ] || fail 'usage: clear-left.sh FOLDER'
# What is started here is none of it.
unset TMPDIR

# The pids of what tests have started, and of what that has started.
started() { { grep -lszxF -- "TMPDIR=$folder" /proc/[0-9]*/environ || true; } | cut -d/ -f3; }
command_line() { { tr '\0' ' ' </proc/"$1"/cmdline; } 2>/dev/null; }
session_of() { { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f4; } 2>/dev/null; }

end_processes() {
  local pid line session
  for pid in $(started); do
    line=$(command_line "$pid") || continue
    # These have more to clear up, below.
    case $line in */run/cridock-test*/exec* | *docker-registry*) continue ;; esac
    say "ends process $pid, which tests have left: ${line:0:100}"
    session=$(session_of "$pid") || continue
    kill -KILL "$pid" 2>/dev/null || true
    # criu takes its environment out of sight, but stays in the session that cridock has made for it.
    [ "$session" != "$pid" ] || pkill -KILL --session "$session" || true
  done
}

# Each by the script that has started it, which knows it by its scope and its name.
end_daemons() {
  local pid line scope name version options
  for pid in $(started); do
    line=$(command_line "$pid") || continue
    [[ $line =~ (--pidfile|docker-registry\ serve)\ /run/cridock-test(-([^/]+))?/([^/]+)/ ]] || continue
    scope=${BASH_REMATCH[3]} name=${BASH_REMATCH[4]}
    say "ends $name, which tests have left"
    if [ "${BASH_REMATCH[1]}" != --pidfile ]; then
      CRIDOCK_TEST_SCOPE=$scope "$repo_root/test/support/registry.sh" stop --name "$name" || true
      continue
    fi
    version=${name%%-*} options=()
    case $name in *-containerd) options=(--containerd-store) name=${name%-containerd} ;; esac
    [ "$name" = "$version" ] || options+=(--name "${name#"$version"-}")
    CRIDOCK_TEST_SCOPE=$scope "$repo_root/test/support/engine.sh" stop "$version" "${options[@]}" || true
  done
}

remove_bridges() {
  local bridge
  for bridge in $(cat "$folder"/*/net.d/*.conflist 2>/dev/null | grep -oE '"bridge":"cdt[0-9a-f]{8}"' | cut -d'"' -f4); do
    [ ! -e "/sys/class/net/$bridge" ] || ip link delete "$bridge" || true
  done
}

end_processes
end_daemons
remove_bridges
unmount_in "$folder"
[ -z "$(mounts_in "$folder")" ] || fail "$folder stays, as something is still mounted in it"
rm -rf "$folder"
