#!/usr/bin/env bash
# Runs the image `cridock` on this node, with what the program needs of the host: its namespaces, so that CNI plugins and
# cgroups are the host's, and the folders that the kubelet, Docker and the plugins use, under the same paths.
#
# Usage:  run.sh [FLAGS OF CRIDOCK...]
# Input:  DOCKER, the docker command (default: docker on PATH); CRIDOCK_IMAGE (default: cridock).
set -euo pipefail

arguments=(--detach --name cridock --restart always --privileged --network host --pid host --cgroupns host)
for folder in /run /var/lib/cri-dockerd /var/lib/cni /var/lib/docker /var/lib/kubelet /var/log/pods /etc/cni/net.d /opt/cni/bin /sys/fs/cgroup; do
  mkdir -p "$folder"
  arguments+=(--volume "$folder:$folder:rslave")
done
exec "${DOCKER:-docker}" run "${arguments[@]}" "${CRIDOCK_IMAGE:-cridock}" "$@"
