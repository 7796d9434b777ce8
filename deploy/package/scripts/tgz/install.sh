#!/bin/sh
# Puts the files of this archive onto a node with systemd, and starts the service; takes them away again.
#
# Usage:  ./install.sh [--prefix DIR] [--units DIR] [--no-start]     installs or upgrades; pods run on
#         ./install.sh --remove [--prefix DIR] [--units DIR]         takes all away but settings and records of pods
#         ./install.sh --purge [--prefix DIR] [--units DIR]          takes settings away too, and records if no pods are left
# Default: --prefix /usr/local --units /usr/local/lib/systemd/system. An installed copy of this script,
# PREFIX/share/cridock/install.sh, takes away what it came with: --remove or --purge. Nothing is done where a package of the system's brings cridock.
set -eu

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
action=install prefix=/usr/local unit_folder=/usr/local/lib/systemd/system starts=true
while [ $# -gt 0 ]; do
  case $1 in
    --prefix | --units) [ $# -ge 2 ] || usage ;;
  esac
  case $1 in
    --prefix) prefix=${2%/} && shift ;;
    --units) unit_folder=${2%/} && shift ;;
    --no-start) starts=false ;;
    --remove | --purge) action=${1#--} ;;
    *) usage ;;
  esac
  shift
done
case $prefix$unit_folder in *[!A-Za-z0-9/._-]*) echo 'install: folders may have letters, digits, dots, - and _ in their names' >&2 && exit 2 ;; esac
own=$prefix/bin/cridock
share=$prefix/share/cridock
# The paths of all that was installed, one a line, and the settings as they were shipped.
list=$share/installed shipped=$share/config.yaml
here=$(cd "$(dirname "$0")" && pwd)

# service.sh

# put FROM TO MODE: in one step, so that what runs is never half a file; noted in the list.
put() {
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv "$2.new" "$2"
  echo "$2" >>"$list.new"
}
link() {
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" "$2"
  echo "$2" >>"$list.new"
}
# A unit of this name that starts another program stays; `cridock migrate` switches it.
put_unit() {
  mkdir -p "$unit_folder"
  sed "s#/usr/bin/cridock#$own#g" "$here/units/$1" >"$unit_folder/$1.new"
  mv "$unit_folder/$1.new" "$unit_folder/$1"
  echo "$unit_folder/$1" >>"$list.new"
}
# All that an earlier version brought and this one does not.
remove_old() {
  [ -e "$list" ] || return 0
  while read -r old; do
    grep -qxF "$old" "$1" || rm -f "$old"
  done <"$list"
}

install_files() {
  [ -d "$here/files" ] || { echo "install: $here is no unpacked archive of cridock" >&2 && exit 1; }
  mkdir -p "$share"
  : >"$list.new"
  find "$here/files/usr" -type f -o -type l | sort | while read -r file; do
    target=$prefix/${file#"$here/files/usr/"}
    if [ -L "$file" ]; then
      # cri-dockerd's own program stays.
      if [ "$target" = "$prefix/bin/cri-dockerd" ] && [ -e "$target" ] && [ "$(readlink -f "$target")" != "$own" ]; then
        say "$target is another program, and stays"
        continue
      fi
      link "$(readlink "$file")" "$target"
    else
      put "$file" "$target" "$(stat -c %a "$file")"
    fi
  done
  put "$here/LICENSE" "$prefix/share/doc/cridock/LICENSE" 644
  # The copy knows its folders.
  put "$here/install.sh" "$share/install.sh" 755
  sed -i "s#^action=.*#action=remove prefix=$prefix unit_folder=$unit_folder starts=true#" "$share/install.sh"
  # Settings that nobody has changed are the new version's; others stay.
  mkdir -p /etc/cridock/conf.d
  if [ ! -e /etc/cridock/config.yaml ] || { [ -e "$shipped" ] && cmp -s "$shipped" /etc/cridock/config.yaml; }; then
    cp "$here/files/etc/cridock/config.yaml" /etc/cridock/config.yaml
  fi
  put "$here/files/etc/cridock/config.yaml" "$shipped" 644
  if [ ! -e "$unit_folder/cri-docker.service" ] && [ -n "$(program_of cri-docker.service)" ]; then
    say "cri-docker.service is there already ($(program_of cri-docker.service)), and stays"
  else
    for unit in $units; do put_unit "$unit"; done
  fi
  remove_old "$list.new"
  mv "$list.new" "$list"
}

start() {
  reload_units
  if another_serves; then return; fi
  if [ "$starts" = false ]; then
    say 'to let it serve: systemctl enable --now cri-docker.socket cri-docker.service'
    return
  fi
  systemctl --quiet enable $units || say 'the units could not be enabled: systemctl enable cri-docker.socket cri-docker.service'
  if is_booted; then
    settings_hold 'systemctl restart cri-docker.socket cri-docker.service' || exit 1
    systemctl restart $units
  fi
}

remove() {
  [ -e "$list" ] || { echo "install: no cridock in $prefix" >&2 && exit 1; }
  hand_back
  if ! is_foreign cri-docker.service; then
    disable_units
    if is_booted; then systemctl stop cri-docker.service cri-docker.socket || true; fi
  fi
  keep_companion
  : >"$list.none"
  remove_old "$list.none"
  rm -f "$list" "$list.none" "$share/install.sh"
  for folder in $share/ansible $share/cni $share/crictl $share/kubeadm $share/kubelet $share/monitoring $share $prefix/libexec/cridock/oci $prefix/libexec/cridock $prefix/share/doc/cridock; do
    rmdir "$folder" 2>/dev/null || true
  done
  leave_companion
  reload_units
}

[ "$(id -u)" = 0 ] || { echo 'install: not root' >&2 && exit 1; }
if [ "$(dpkg-query -W -f '${db:Status-Status}' cridock 2>/dev/null || true)" = installed ] || rpm -q cridock >/dev/null 2>&1; then
  echo 'install: a package brings cridock to this machine: upgrade or remove that' >&2
  exit 1
fi
case $action in
  install)
    make_group
    install_files
    start
    ;;
  remove) remove ;;
  purge)
    remove
    rm -f /etc/cridock/config.yaml
    forget_records
    forget_settings
    ;;
esac
