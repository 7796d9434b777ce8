# shellcheck shell=sh disable=SC2154 # own is set before
# What the scripts of all packages do alike. stage.sh puts it before each of them, so that a package's scripts need no file but
# themselves. `own` is the program that the package brings.
#
# The units' names are cri-dockerd's: a unit of these names may be this package's, its predecessor's, or this machine's own.
units='cri-docker.socket cri-docker.service'
kept=/etc/cridock/replaced
imported=/etc/cridock/conf.d/50-from-cri-dockerd.yaml
# Exists while an rpm is being installed: what was enabled and active before.
replacing=/run/cridock-replacing

say() { echo "cridock: $*" >&2; }
is_booted() { [ -d /run/systemd/system ]; }
reload_units() { if is_booted; then systemctl --system daemon-reload >/dev/null || true; fi; }

# Docker's packages have it too; whichever comes first makes it.
make_group() { getent group docker >/dev/null || groupadd --system docker; }

# Before the files are there: flags that people have written into cri-dockerd's packaged unit would be lost with it. The unit is
# kept, and import_flags makes settings of its flags.
keep_old_units() {
  for folder in /lib/systemd/system /usr/lib/systemd/system; do
    for unit in $units; do
      old=$folder/$unit
      if [ -f "$old" ] && [ ! -L "$old" ] && ! grep -q cridock "$old"; then
        mkdir -p "$kept"
        cp -p "$old" "$kept/$unit"
      fi
    done
  done
}

# What cri-dockerd's unit said, unless that is what its package ships.
import_flags() {
  [ -f "$kept/cri-docker.service" ] && [ ! -e "$imported" ] || return 0
  mkdir -p /etc/cridock/conf.d
  if ! "$own" config import "$kept/cri-docker.service" >"$imported.new"; then
    rm -f "$imported.new"
    say "the flags of $kept/cri-docker.service are not taken over: see above"
  elif grep -qE '^[a-zA-Z]+: .* # --|^# (Unknown|Refused)' "$imported.new"; then
    mv "$imported.new" "$imported"
    say "flags of the old unit ($kept/cri-docker.service) are settings now, in $imported:"
    grep -E '^[a-zA-Z]+: .* # --|^# (Unknown|Refused)' "$imported" >&2
  else
    rm -f "$imported.new"
  fi
  # A socket at another path is what the kubelet calls.
  if [ -f "$kept/cri-docker.socket" ]; then
    listen=$(sed -n 's/^ListenStream=//p' "$kept/cri-docker.socket" | tail -n 1)
    case $listen in
      '' | %t/cri-dockerd.sock | /run/cri-dockerd.sock | /var/run/cri-dockerd.sock) ;;
      *)
        mkdir -p /etc/systemd/system/cri-docker.socket.d
        printf '[Socket]\nListenStream=\nListenStream=%s\n' "$listen" >/etc/systemd/system/cri-docker.socket.d/50-from-cri-dockerd.conf
        say "the old socket unit listened on $listen, and so does the new one (/etc/systemd/system/cri-docker.socket.d)"
        ;;
    esac
  fi
}

# The program that a unit starts: of the last ExecStart that says something.
program_of() {
  systemctl cat "$1" 2>/dev/null | sed -n 's/^ExecStart=[-@:+!|]*\([^ ]*\).*/\1/p' | tail -n 1
}
# True for a unit that starts something else than this package's program.
is_foreign() {
  program=$(program_of "$1")
  [ -n "$program" ] && [ "$(readlink -f "$program")" != "$own" ]
}

# Where a unit of this machine's own starts another server, says so, and is true: nothing is switched without being asked.
another_serves() {
  is_booted || return 1
  foreign=''
  for unit in cri-docker.service cri-dockerd.service; do
    if is_foreign "$unit"; then foreign=$unit; fi
  done
  [ -n "$foreign" ] || return 1
  say "$foreign of this machine's own ($(systemctl show -P FragmentPath "$foreign" 2>/dev/null || true)) starts $(program_of "$foreign"), and goes on."
  say 'Nothing is switched yet. See what would be: cridock migrate --from cri-dockerd --dry-run'
  say 'Then let cridock serve:                   cridock migrate --from cri-dockerd'
}

# An older version that runs is worth more than a newer one that cannot start.
settings_hold() {
  "$own" config print --service >/dev/null || {
    say "the settings cannot be used: what ran runs on. Mend them, then: $1"
    return 1
  }
}

# Before the program goes: units of this machine's own that `cridock migrate` has made start cridock start what they did before.
hand_back() {
  for unit in cri-docker.service cri-dockerd.service; do
    drop_in=/etc/systemd/system/$unit.d/zz-cridock.conf
    if [ -e "$drop_in" ] && grep -q "^ExecStart=.*$own" "$drop_in"; then
      rm -f "$drop_in"
      if is_booted; then
        reload_units
        systemctl reset-failed "$unit" >/dev/null 2>&1 || true
        systemctl try-restart "$unit" >/dev/null || true
        say "$unit starts $(program_of "$unit") again"
      fi
    fi
  done
}

# Pods with user namespaces run on without cridock. containerd looks for their runtime's program at each of its starts, and forgets
# containers, whose processes go on, where it is not there. It starts nothing without cridock, but ends and removes.
companion=${own%/bin/cridock}/libexec/cridock/oci/runc
companion_left=/run/cridock-companion-left
runs_by_companion() {
  for state in /run/containerd /run/docker/containerd/daemon; do
    for file in shim-binary-path options.json; do
      if grep -qs -e containerd-shim-cridock-v2 -e 'libexec/.*oci/runc' "$state"/io.containerd.runtime.v2.task/*/*/"$file"; then return 0; fi
    done
  done
  return 1
}
# Before the files go.
keep_companion() {
  if [ -e "$companion" ] && runs_by_companion; then cp -p "$companion" "$companion_left"; fi
}
# After that.
leave_companion() {
  [ -e "$companion_left" ] || return 0
  shim=${own%/bin/cridock}/bin/containerd-shim-cridock-v2
  mkdir -p "$(dirname "$companion")"
  mv "$companion_left" "$companion"
  ln -sfn ../libexec/cridock/oci/runc "$shim"
  say "containers run by the companion runtime: $companion and $shim stay; remove them when these pods are gone"
}

# As they were enabled: by systemctl. Units of this machine's own stay as they are.
disable_units() {
  for unit in $units; do
    [ -e "/etc/systemd/system/$unit" ] || systemctl --quiet disable "$unit" >/dev/null 2>&1 || true
  done
}

# The records of pods in /var/lib/cri-dockerd stay as long as there may be pods, and for cri-dockerd; only a node without them
# loses the folder.
forget_records() {
  rmdir /var/lib/cri-dockerd/sandbox 2>/dev/null || true
  # The key by which cridock knows the containers that it made: of no use without a pod.
  [ -e /var/lib/cri-dockerd/sandbox ] || rm -f /var/lib/cri-dockerd/seal-key /var/lib/cri-dockerd/.corrupt-seal-key
  for folder in limits pod-resources image-volumes nri restore checkpoint-work ''; do
    rmdir "/var/lib/cri-dockerd/$folder" 2>/dev/null || true
  done
}

# All that the scripts and `cridock migrate` have made.
forget_settings() {
  rm -f /etc/systemd/system/cri-docker.service.d/zz-cridock.conf /etc/systemd/system/cri-dockerd.service.d/zz-cridock.conf
  rm -f /etc/systemd/system/cri-docker.socket.d/50-from-cri-dockerd.conf "$imported"
  rm -rf "$kept"
  for folder in /etc/systemd/system/cri-docker.service.d /etc/systemd/system/cri-dockerd.service.d \
    /etc/systemd/system/cri-docker.socket.d /etc/cridock/conf.d /etc/cridock; do
    rmdir "$folder" 2>/dev/null || true
  done
}
