# shellcheck shell=bash
# Shared by the test scripts: where things are kept, and how processes are waited for and ended. To be sourced.
#
# Sets:    repo_root; cache_dir (downloads and builds that later runs use again: CRIDOCK_TEST_CACHE, else
#          /var/cache/cridock-test, or the repository's .cache without root); run_dir (sockets, pid files and logs
#          of what runs now); state_dir (the Engines' data); scope (CRIDOCK_TEST_SCOPE: runs with different words in it
#          go side by side and share nothing but the cache); port_base (the ports of registries begin here).
# Defines: say, fail, at_end, wait_until, stop_pid, mounts_in, unmount_in, tests_folder, use_shipped_node, unpacked_debian.

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -n "${CRIDOCK_TEST_CACHE:-}" ]; then
  cache_dir=$CRIDOCK_TEST_CACHE
elif [ "$(id -u)" = 0 ]; then
  cache_dir=/var/cache/cridock-test
else
  cache_dir=$repo_root/.cache
fi
scope=${CRIDOCK_TEST_SCOPE:-}
# shellcheck disable=SC2034 # used by the scripts that source this
run_dir=/run/cridock-test${scope:+-$scope}
# shellcheck disable=SC2034
state_dir=/var/lib/cridock-test${scope:+-$scope}
port_base=5010
[ -z "$scope" ] || port_base=$((5020 + $(echo "$scope" | cksum | cut -d' ' -f1) % 90 * 10))

# Progress goes to stderr: stdout is for results that a caller reads.
say() { echo "$(basename "$0" .sh): $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# at_end COMMAND: runs it when the script ends, also by a signal; a second signal does not keep it from ending the rest.
at_end() {
  # shellcheck disable=SC2064 # the command as it is now
  trap "trap '' INT TERM; $1" EXIT
  trap 'exit 130' INT TERM
}

# wait_until SECONDS COMMAND...: runs COMMAND every 0.1 s until it succeeds; fails when the time is up.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# A process that has ended but that nobody has waited for yet counts as gone.
is_gone() { [ ! -e "/proc/$1" ] || [ "$(awk '/^State:/ {print $2}' "/proc/$1/status" 2>/dev/null)" = Z ]; }

# stop_pid PID WORD SECONDS: ends the process if its command line still holds WORD (so that a pid used again by
# something else is left alone): SIGTERM, then SIGKILL after SECONDS.
stop_pid() {
  local pid=$1 word=$2 seconds=$3
  [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$word" || return 0
  kill "$pid" 2>/dev/null || return 0
  wait_until "$seconds" is_gone "$pid" && return 0
  kill -KILL "$pid" 2>/dev/null || return 0
  wait_until 10 is_gone "$pid"
}

# mounts_in FOLDER: where something is mounted, on it and below it, the newest first.
mounts_in() { awk -v folder="$1" '$2 == folder || index($2, folder "/") == 1 { print $2 }' /proc/self/mounts | tac; }

# unmount_in FOLDER: unmounts all of that. What lies below another mount shows only when that one is gone.
unmount_in() {
  local path progress=true
  while [ "$progress" = true ]; do
    progress=false
    for path in $(mounts_in "$1"); do if umount -l "$path" 2>/dev/null; then progress=true; fi; done
  done
}

# Makes a folder that tests are given as TMPDIR, for all users, and prints its path; clear-left.sh takes it away. The path is short: that
# of a socket in a folder of a test must not be longer than 107 bytes.
tests_folder() {
  local folder
  folder=$(mktemp -d /tmp/tXXXX)
  chmod 1777 "$folder"
  echo "$folder"
}

# From here on `node` is the Node.js that the executable holds, whatever this machine has; CRIDOCK_TEST_NODE=own leaves that.
use_shipped_node() {
  [ "${CRIDOCK_TEST_NODE:-}" != own ] || return 0
  PATH=$("$repo_root/deploy/package/node.sh"):$PATH
}

# unpacked_debian SUITE PACKAGE...: unpacks these packages of a Debian suite into a folder of the cache, once, and
# prints the folder. Nothing is installed: apt works on a source list and index of its own. The archive's address is
# the one that this machine's apt uses, or CRIDOCK_DEBIAN_MIRROR.
unpacked_debian() {
  local suite=$1 mirror dir work option
  shift
  dir=$cache_dir/debian/$suite-$(echo "$(dpkg --print-architecture) $*" | sha256sum | cut -c1-12)
  if [ -d "$dir" ]; then
    echo "$dir"
    return
  fi
  # shellcheck disable=SC2016 # apt fills it in, not the shell
  mirror=${CRIDOCK_DEBIAN_MIRROR:-$(apt-get indextargets --no-release-info --format '$(REPO_URI)' | grep -m1 -E '/debian/?$' || true)}
  [ -n "$mirror" ] || fail "no Debian archive among apt's sources: set CRIDOCK_DEBIAN_MIRROR"
  say "downloading from Debian $suite: $*"
  mkdir -p "$cache_dir/debian"
  work=$(mktemp -d "$cache_dir/debian/.unpack-XXXXXX")
  mkdir -p "$work"/{lists,cache/archives}/partial "$work/root" "$work/debs"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
  option=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
    -o Acquire::Retries=3 -o Acquire::Languages=none)
  # A folder that is only renamed into place when whole: a run that was cut off leaves no half-filled cache.
  if apt-get "${option[@]}" update >&2 &&
    (cd "$work/debs" && apt-get "${option[@]}" download "${@/%//$suite}" >&2) &&
    (for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/root" || exit 1; done); then
    (cd "$work/debs" && ls) >"$work/root/packages.txt"
    mv -T "$work/root" "$dir" 2>/dev/null || [ -d "$dir" ]
    rm -rf "$work"
    echo "$dir"
  else
    rm -rf "$work"
    fail "cannot get these packages from Debian $suite: $*"
  fi
}
