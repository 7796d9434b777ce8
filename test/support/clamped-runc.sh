#!/usr/bin/env bash
# A runc for servers such as cri-dockerd that ask for an oom_score_adj below 0, which some machines refuse even to root:
# this one leaves it out.
#
# Usage:  clamped-runc.sh DOCKER FOLDER   DOCKER: the path of an Engine's docker command, whose runc is used
# Output: FOLDER, which then has it, for engine.sh's CRIDOCK_TEST_RUNC; nothing where the machine refuses none.
set -euo pipefail

docker=$1 folder=$2
if bash -c 'echo -1 >/proc/self/oom_score_adj' 2>/dev/null; then exit; fi
mkdir -p "$folder"
cat >"$folder/runc" <<SCRIPT
#!/usr/bin/env bash
bundle=\$(printf '%s\n' "\$@" | grep -x -A1 -- --bundle | tail -n 1)
[ -z "\$bundle" ] || sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "\$bundle/config.json"
exec $(dirname "$docker")/../sbin/runc "\$@"
SCRIPT
chmod 755 "$folder/runc"
echo "$folder"
