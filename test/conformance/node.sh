# shellcheck shell=bash
# A node for one conformance run: an Engine, a registry with the suite's images, and cridock on it. To be sourced.
#
# Defines: start_node NAME ENGINE   ENGINE: 20.10, 26.1, 28.5.2 or 29.8; +containerd. Sets endpoint (the Engine's),
#                                   DOCKER (its docker command) and cri_socket. What it starts is ended on exit.
#          stop_node                ends it now; safe to call twice.
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"

support=$repo_root/test/support
node_name='' node_engine=() registry_port=$((port_base + 1))

stop_node() {
  [ -n "$node_name" ] || return 0
  "$support/cridock.sh" stop "$node_name" || true
  "$support/engine.sh" stop "${node_engine[@]}" || true
  "$support/images.sh" stop "$registry_port" || true
  node_name=''
}

start_node() {
  local socket
  if [ "$(id -u)" != 0 ]; then
    say 'no Docker Engine can run here: not root'
    exit 4
  fi
  node_name=$1
  node_engine=("${2%+containerd}" --name "$1")
  [ "$2" = "${2%+containerd}" ] || node_engine+=(--containerd-store)
  at_end stop_node
  "$repo_root/deploy/quickstart/install-prerequisites.sh" --without-engine >&2
  socket=$("$support/engine.sh" start "${node_engine[@]}" --registry "127.0.0.1:$registry_port")
  endpoint=unix://$socket
  DOCKER=$("$support/engine.sh" docker "${2%+containerd}")
  export DOCKER
  # Those of an earlier run may be of an older recipe, and nobody would pull them again.
  "$DOCKER" -H "$endpoint" image prune --all --force >/dev/null
  "$support/images.sh" load "$endpoint"
  "$support/images.sh" registry "$endpoint" "$registry_port" >/dev/null
  # shellcheck disable=SC2034 # for the scripts that source this
  cri_socket=$("$support/cridock.sh" start "$node_name" "$endpoint")
}
