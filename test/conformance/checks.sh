# shellcheck shell=bash
# crictl, and checks that are counted. To be sourced.
#
# Input:   tools (where crictl is), cri_socket and work (a folder of the run's own), once a function is called.
# Defines: crictl ARGUMENTS...       against the server at cri_socket
#          check NAME COMMAND...     passes when COMMAND succeeds; its output is shown when it does not. Counts in
#                                    passed and failed.
passed=0 failed=0

# shellcheck disable=SC2154 # the three are the caller's
crictl() {
  "$tools/crictl" --config /dev/null --timeout 60s --runtime-endpoint "unix://$cri_socket" \
    --image-endpoint "unix://$cri_socket" "$@"
}

# shellcheck disable=SC2154
check() {
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name"
  else
    failed=$((failed + 1))
    echo "FAILED  $name: $(tail -n 3 "$work/output" | tr '\n' ' ')"
  fi
}
