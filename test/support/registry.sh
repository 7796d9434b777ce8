#!/usr/bin/env bash
# Runs a plain-http image registry on loopback for tests. Docker Engines talk to it without further settings.
#
# Usage:  registry.sh start [--name NAME] [--port PORT] [--data DIR] [--auth USER:PASSWORD]
#         registry.sh stop [--name NAME]
#   --name  default "registry"; --port default port_base of common.sh; --data where images are kept (default: a folder of its own that
#   stop deletes); --auth asks every client for this login.
# Output: start prints 127.0.0.1:PORT. Log: /run/cridock-test/<name>/registry.log.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command=${1:-}
[ $# -eq 0 ] || shift
name=registry port=$port_base data='' auth=''
while [ $# -gt 0 ]; do
  case $1 in
    --name) name=$2 ;;
    --port) port=$2 ;;
    --data) data=$2 ;;
    --auth) auth=$2 ;;
    *) fail "unknown option $1" ;;
  esac
  shift 2
done
run=$run_dir/$name

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
runs() { [ -r "$run/pid" ] && ! is_gone "$(cat "$run/pid")"; }
# Up, and the port is not somebody else's.
is_up() { listens && runs; }
stopped_or_up() { is_up || ! runs; }

stop() {
  if [ -r "$run/pid" ]; then stop_pid "$(cat "$run/pid")" "$run/config.yml" 10; fi
  rm -rf "$run"
}

start() {
  local unpacked pid
  stop
  if listens; then fail "port $port is in use"; fi
  unpacked=$(unpacked_debian bookworm docker-registry)
  mkdir -p "$run" "${data:=$run/data}"
  {
    echo 'version: 0.1'
    echo "storage: {filesystem: {rootdirectory: $data}, delete: {enabled: true}}"
    echo "http: {addr: '127.0.0.1:$port'}"
    echo 'log: {level: warn, accesslog: {disabled: true}}'
    [ -z "$auth" ] || echo "auth: {htpasswd: {realm: cridock-test, path: $run/htpasswd}}"
  } >"$run/config.yml"
  if [ -n "$auth" ]; then
    # bcrypt, the only form that the registry takes.
    PASSWORD=${auth#*:} perl -e 'print "$ARGV[0]:", crypt($ENV{PASSWORD}, "\$2y\$05\$cridockcridockcridock."), "\n"' \
      "${auth%%:*}" >"$run/htpasswd"
  fi
  setsid "$unpacked/usr/bin/docker-registry" serve "$run/config.yml" </dev/null >"$run/registry.log" 2>&1 &
  pid=$!
  echo "$pid" >"$run/pid"
  wait_until 20 stopped_or_up || true
  if ! is_up; then
    tail -n 5 "$run/registry.log" >&2
    stop
    fail "the registry did not start on port $port"
  fi
  echo "127.0.0.1:$port"
}

case $command in
  start) start ;;
  stop) stop ;;
  *) fail "usage: registry.sh start|stop [--name NAME] [--port PORT] [--data DIR] [--auth USER:PASSWORD]" ;;
esac
