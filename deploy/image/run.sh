#!/usr/bin/env bash
# Runs the image `cridock` on this node, with what the program needs of the host: its namespaces, so that CNI plugins and
# cgroups are the host's, and the folders that the kubelet, Docker and the plugins use, under the same paths.
#
# Usage:  run.sh [FLAGS OF CRIDOCK...]
# Input:  DOCKER, the docker command (default: docker on PATH); CRIDOCK_IMAGE (default: cridock).
set -euo pipefail

docker=${DOCKER:-docker}
# Where the Engine keeps its data is the Engine's to say.
data_root=$("$docker" info --format '{{.DockerRootDir}}')
folders=(/run /etc/cridock /etc/cni/net.d /opt/cni/bin /var/lib/cri-dockerd /var/lib/cni /var/lib/calico /var/lib/kubelet
  /var/log/pods /sys/fs/cgroup "${data_root:-/var/lib/docker}")

# The values of flags that name folders of cridock's own: `--cni-conf-dir DIR`, `--cni-bin-dir=DIR,DIR`.
previous=''
for word in "$@"; do
  flag=${word%%=*} value=${word#*=}
  case $previous in --cni-conf-dir | --cni-bin-dir | --cni-cache-dir | --cri-dockerd-root-directory) flag=$previous value=$word ;; esac
  previous=''
  case $flag in
    --cni-conf-dir | --cni-bin-dir | --cni-cache-dir | --cri-dockerd-root-directory)
      if [ "$value" = "$word" ] && [ "$flag" = "$word" ]; then
        previous=$word
      else
        IFS=, read -r -a named <<<"$value"
        folders+=("${named[@]}")
      fi
      ;;
  esac
done

arguments=(--detach --name cridock --restart always --privileged --network host --pid host --cgroupns host)
while read -r folder; do
  mkdir -p "$folder"
  arguments+=(--volume "$folder:$folder:rslave")
done < <(printf '%s\n' "${folders[@]}" | awk '!seen[$0]++')
exec "$docker" run "${arguments[@]}" "${CRIDOCK_IMAGE:-cridock}" "$@"
