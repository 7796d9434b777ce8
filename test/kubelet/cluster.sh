#!/usr/bin/env bash
# A Kubernetes cluster of one node for tests: etcd, the control plane, cridock and a kubelet, on an address that only
# this machine has.
#
# Usage:  cluster.sh start NAME ENDPOINT   starts it on the Engine at ENDPOINT and prints its folder
#         cluster.sh restart NAME PROGRAM [SIGNAL]   ends kubelet or cridock (SIGNAL default TERM) and starts it again
#         cluster.sh halt NAME PROGRAM     ends it only; restart goes on
#         cluster.sh stop NAME             deletes the pods, ends all of it and removes what is left
# Input:  CRIDOCK_TEST_KUBERNETES, the version of the control plane (default 1.37.2); CRIDOCK_TEST_KUBELET, that of the
#         kubelet (default: the same); CRIDOCK_TEST_KUBELET_CONFIG, a file with what else goes into the kubelet's
#         configuration; CRIDOCK_TEST_CGROUP_DRIVER, cgroupfs (default) or systemd; DOCKER, the docker command;
#         CRIDOCK_TEST_PATIENCE, how many times longer than usual things may take here (1);
#         CRIDOCK_VM_NAME, a node of test/node-vm/vm.sh that runs with cridock's package and an Engine on it (whose socket
#         here ENDPOINT is): the kubelet starts there, under systemd, and only the control plane on this machine.
# Output: the folder holds kubeconfig (an administrator's), bin (kubectl and others), manifests (static pods),
#         kubelet.conf.d (drop-ins of the kubelet's configuration, read when it starts), cluster.json (addresses and paths
#         for the tests) and PROGRAM.log.
# Exit:   0 done; 4 it cannot run here (the last line of stderr says why); 1 anything else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"

here=$repo_root/test/kubelet
command=${1:-} name=${2:-}
[ -n "$name" ] || fail 'usage: cluster.sh start NAME ENDPOINT | restart NAME PROGRAM [SIGNAL] | halt NAME PROGRAM | stop NAME'
run=$run_dir/$name-cluster
data=$state_dir/$name-cluster
number=$(($(echo "$scope$name" | cksum | cut -d' ' -f1) % 254 + 1))
address=10.212.$number.1 node=10.212.$number.1
on_vm() { "$repo_root/test/node-vm/vm.sh" "$@"; }
# What the API server says to a kubelet on a virtual machine goes to an address here, which a port of the machine is behind.
vm=${CRIDOCK_VM_NAME:-}
[ -z "$vm" ] || node=10.212.$number.2
bridge=crdkc$(echo "$scope$name" | sha256sum | cut -c1-8)
cgroup=/cridock-test-${scope:+$scope-}$name
driver=${CRIDOCK_TEST_CGROUP_DRIVER:-cgroupfs} patience=${CRIDOCK_TEST_PATIENCE:-1}
# systemd makes its groups itself, and only below its own.
[ "$driver" = cgroupfs ] || cgroup=/
# What the kubelet sets on the machine, and stop puts back.
kernel_settings=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

# certify NAME SUBJECT [SAN]: a key and a certificate of the cluster's own authority.
certify() {
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$run/pki/$1.key" -out "$run/pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$run/pki/$1.csr" -CA "$run/pki/ca.crt" -CAkey "$run/pki/ca.key" -CAcreateserial -days 30 \
    -extfile <(echo "${3:+subjectAltName=$3}") -out "$run/pki/$1.crt" 2>/dev/null
}

make_certificates() {
  mkdir -p "$run/pki"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=cridock-test -keyout "$run/pki/ca.key" -out "$run/pki/ca.crt" 2>/dev/null
  certify server /CN=server "IP:$address,IP:10.99.0.1,DNS:localhost,DNS:kubernetes.default.svc"
  certify admin /O=system:masters/CN=admin
  certify node /O=system:nodes/CN=system:node:cridock-test "IP:$node,DNS:cridock-test"
  certify front /CN=front
  openssl genrsa -out "$run/pki/accounts.key" 2048 2>/dev/null
  kubeconfig admin >"$run/kubeconfig"
  kubeconfig node >"$run/kubelet.kubeconfig"
}

kubeconfig() {
  cat <<KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:6443", certificate-authority: $run/pki/ca.crt}}]
users: [{name: user, user: {client-certificate: $run/pki/$1.crt, client-key: $run/pki/$1.key}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
current-context: test
KUBECONFIG
}

kubectl() { "$run/bin/kubectl" --kubeconfig "$run/kubeconfig" --cache-dir "$run/kubectl-cache" "$@"; }

# launch PROGRAM ARGUMENTS...: its command line is kept for the next start.
launch() {
  local program=$1
  shift
  printf '%s\0' "$@" >"$run/$program.arguments"
  relaunch "$program"
}
relaunch() {
  local program=$1 arguments
  mapfile -d '' -t arguments <"$run/$program.arguments"
  (cd / && exec setsid "$run/bin/$program" "${arguments[@]}" </dev/null >>"$run/$program.log" 2>&1) &
  echo $! >"$run/$program.pid"
}
end() {
  [ -r "$run/$1.pid" ] || return 0
  [ "${2:-TERM}" = TERM ] || kill "-$2" "$(cat "$run/$1.pid")" 2>/dev/null || true
  stop_pid "$(cat "$run/$1.pid")" "$run" 30 || true
}
runs() { ! is_gone "$(cat "$run/$1.pid")"; }

# wait_for PROGRAM CONDITION...: until it holds or the program has ended.
wait_for() {
  local program=$1
  shift
  holds_or_ended() { "$@" || ! runs "$program"; }
  if wait_until $((180 * patience)) holds_or_ended "$@" && runs "$program"; then return; fi
  tail -n 20 "$run/$program.log" >&2
  say "$program did not come up"
  return 1
}

gates() {
  case ${1%.*} in
    1.3[0-2]) echo PodAndContainerStatsFromCRI=true ;;
    *) echo PodAndContainerStatsFromCRI=true,ContainerStopSignals=true ;;
  esac
}
kubelet_version=${CRIDOCK_TEST_KUBELET:-${CRIDOCK_TEST_KUBERNETES:-1.37.2}}

start_control_plane() {
  local url=https://$address:6443
  launch etcd --data-dir "$data/etcd" --listen-client-urls "http://$address:2379" --advertise-client-urls "http://$address:2379" \
    --listen-peer-urls "http://$address:2380" --initial-advertise-peer-urls "http://$address:2380" \
    --initial-cluster "default=http://$address:2380" --unsafe-no-fsync
  launch kube-apiserver --etcd-servers "http://$address:2379" --bind-address "$address" --advertise-address "$address" \
    --secure-port 6443 --tls-cert-file "$run/pki/server.crt" --tls-private-key-file "$run/pki/server.key" \
    --client-ca-file "$run/pki/ca.crt" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --kubelet-client-certificate "$run/pki/admin.crt" --kubelet-client-key "$run/pki/admin.key" \
    --kubelet-certificate-authority "$run/pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer "$url" --service-account-key-file "$run/pki/accounts.key" \
    --service-account-signing-key-file "$run/pki/accounts.key" --service-cluster-ip-range 10.99.0.0/24 \
    --requestheader-client-ca-file "$run/pki/ca.crt" --requestheader-allowed-names front \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- --proxy-client-cert-file "$run/pki/front.crt" \
    --proxy-client-key-file "$run/pki/front.key" --allow-privileged --cert-dir "$run/pki" \
    --feature-gates "$(gates "${CRIDOCK_TEST_KUBERNETES:-1.37.2}")"
  wait_for kube-apiserver kubectl get --raw /readyz || return
  launch kube-controller-manager --kubeconfig "$run/kubeconfig" --secure-port 0 --leader-elect=false \
    --service-account-private-key-file "$run/pki/accounts.key" --root-ca-file "$run/pki/ca.crt" \
    --node-monitor-grace-period $((50 * patience))s
  launch kube-scheduler --kubeconfig "$run/kubeconfig" --secure-port 0 --leader-elect=false
}

write_network() {
  mkdir -p "$run/net.d"
  cat >"$run/net.d/10-test.conflist" <<CONFLIST
{
  "cniVersion": "1.0.0",
  "name": "cridock-test-$name",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$bridge-p",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$data/leases",
        "ranges": [[{ "subnet": "10.211.$number.0/24" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "bandwidth", "capabilities": { "bandwidth": true } }
  ]
}
CONFLIST
}

start_cridock() {
  printf '#!/bin/sh\nexec node --enable-source-maps %q "$@"\n' "${CRIDOCK_MAIN:-$repo_root/dist/src/main.js}" >"$run/bin/cridock"
  chmod +x "$run/bin/cridock"
  launch cridock --container-runtime-endpoint "unix://$run/cridock.sock" --docker-endpoint "$1" \
    --cri-dockerd-root-directory "$data/cridock" --pod-infra-container-image registry.k8s.io/pause:3.10 \
    --cni-conf-dir "$run/net.d" --cni-bin-dir /opt/cni/bin,/usr/lib/cni --cni-cache-dir "$data/cni-cache" \
    --nri-socket "$run/nri.sock" --nri-plugin-path "$run/nri-plugins"
  wait_for cridock answers
}

# Makes of the virtual machine a node whose kubelet is started like one here: by bin/kubelet, which lasts as long as that.
prepare_vm() {
  local kubelet
  write_kubelet_config unix:///run/cri-dockerd.sock
  kubelet=$(readlink "$run/bin/kubelet")
  rm "$run/bin/kubelet"
  on_vm put "$kubelet" "$run/bin"
  on_vm put "$run"/{pki,manifests,kubelet.conf.d,kubelet.yaml,kubelet.kubeconfig,resolv.conf} "$run"
  on_vm put "$run/net.d/10-test.conflist" /etc/cni/net.d
  on_vm run "set -e; rm -f /etc/cni/net.d/10-bridge.conflist; ip address add $node/32 dev lo
    mkdir -p $data/kubelet $data/pod-logs $(dirname "${1#unix://}"); ln -s /run/docker.sock ${1#unix://}"
  on_vm port "$node:10250"
  # shellcheck disable=SC2016 # the script expands it
  printf '#!/bin/sh\nexport CRIDOCK_VM_NAME=%s CRIDOCK_TEST_SCOPE=%s\nexec %q run "systemctl stop kubelet 2>/dev/null
    exec systemd-run --quiet --pipe --wait --collect --unit kubelet --property Delegate=yes %s $*"\n' \
    "$vm" "$scope" "$repo_root/test/node-vm/vm.sh" "$run/bin/kubelet" >"$run/bin/kubelet"
  chmod +x "$run/bin/kubelet"
}

prepare_machine() {
  local setting hierarchy
  mkdir -p "$data/kubelet" "$data/pod-logs"
  write_kubelet_config "unix://$run/cridock.sock"
  for setting in "${kernel_settings[@]}"; do echo "$setting=$(sysctl -n "$setting")"; done >"$run/kernel-settings"
  for hierarchy in $(cgroup_roots); do mkdir -p "$hierarchy$cgroup"; done
  # Copied in cpuset hierarchies, where an empty one takes no process.
  for setting in cpus mems; do
    [ "$cgroup" = / ] || [ ! -e "/sys/fs/cgroup/cpuset/cpuset.$setting" ] ||
      cat "/sys/fs/cgroup/cpuset/cpuset.$setting" >"/sys/fs/cgroup/cpuset$cgroup/cpuset.$setting"
  done
}

# write_kubelet_config ENDPOINT: of cridock.
write_kubelet_config() {
  mkdir -p "$run/manifests" "$run/kubelet.conf.d"
  [ -z "${CRIDOCK_TEST_KUBELET_CONFIG:-}" ] || cp "$CRIDOCK_TEST_KUBELET_CONFIG" "$run/kubelet.conf.d/50-given.conf"
  echo "nameserver $address" >"$run/resolv.conf"
  cat >"$run/kubelet.yaml" <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node
healthzBindAddress: $node
tlsCertFile: $run/pki/node.crt
tlsPrivateKeyFile: $run/pki/node.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: $1
cgroupDriver: $driver
cgroupRoot: $cgroup
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
staticPodPath: $run/manifests
podLogsDir: $data/pod-logs
volumePluginDir: $data/volume-plugins
resolvConf: $run/resolv.conf
clusterDNS: [10.99.0.10]
clusterDomain: cluster.local
allowedUnsafeSysctls: ["net.core.somaxconn", "kernel.msg*"]
fileCheckFrequency: $((2 * patience))s
syncFrequency: 10s
nodeStatusUpdateFrequency: $((5 * patience))s
volumeStatsAggPeriod: $((10 * patience))s
evictionPressureTransitionPeriod: 5s
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
containerLogMaxSize: 100Ki
containerLogMaxFiles: 3
containerLogMonitorInterval: $((3 * patience))s
crashLoopBackOff: {maxContainerRestartPeriod: $((3 + patience))s}
runtimeRequestTimeout: $((2 * patience))m
podPidsLimit: 200
eventRecordQPS: 0
registryPullQPS: 0
serializeImagePulls: false
seccompDefault: false
CONFIG
  echo "featureGates: {KubeletCrashLoopBackOffMax: true, $(gates "$kubelet_version" | sed 's/=/: /g; s/,/, /g')}" >>"$run/kubelet.yaml"
  case ${kubelet_version%.*} in
    1.30 | 1.31) sed -i -e '/^crashLoopBackOff/d' -e 's/KubeletCrashLoopBackOffMax: true, //' -e '/^failCgroupV1/d' "$run/kubelet.yaml" ;;
  esac
}

start_kubelet() {
  launch kubelet --config "$run/kubelet.yaml" --config-dir "$run/kubelet.conf.d" --kubeconfig "$run/kubelet.kubeconfig" \
    --root-dir "$data/kubelet" --cert-dir "$run/pki" --hostname-override cridock-test --node-ip "$node"
  wait_for kubelet takes_pods
}

start_runtime() {
  if [ -n "$vm" ]; then prepare_vm "$1"; else prepare_machine && start_cridock "$1"; fi
}

# The hierarchies of version 1, or the one of version 2.
cgroup_version() {
  local script='[ -e /sys/fs/cgroup/cgroup.controllers ] && echo 2 || echo 1'
  if [ -n "$vm" ]; then on_vm run "$script"; else sh -c "$script"; fi
}
cgroup_roots() { awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/self/mounts; }

node_is_ready() {
  [ "$(kubectl get node cridock-test -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}/{.spec.taints}')" = True/ ]
}
takes_pods() { node_is_ready && kubectl get serviceaccount default; }
healthy() { node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "http://$address:10248/healthz"; }
answers() {
  node -e 'require("node:net").connect(process.argv[1]).on("connect", () => process.exit(0)).on("error", () => process.exit(1))' \
    "$run/cridock.sock"
}

start() {
  local endpoint=$1 programs kubelet
  [ "$(id -u)" = 0 ] || { say 'not root' && exit 4; }
  programs=$("$here/build.sh" "${CRIDOCK_TEST_KUBERNETES:-1.37.2}" kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl etcd)
  kubelet=$("$here/build.sh" "$kubelet_version" kubelet)
  stop
  mkdir -p "$run/bin" "$data"
  chmod 711 "$run" "$data"
  ln -s "$programs"/* "$run/bin/"
  ln -sf "$kubelet/kubelet" "$run/bin/kubelet"
  echo "$endpoint" >"$run/endpoint"
  ip link add "$bridge" type bridge
  ip address add "$address/32" dev "$bridge"
  ip link set "$bridge" up
  [ -z "$vm" ] || ip address add "$node/32" dev "$bridge"
  make_certificates
  printf '{"address": "%s", "run": "%s", "data": "%s", "cgroup": "%s", "driver": "%s", "endpoint": "%s", "docker": "%s", "kubelet": "%s", "cgroupVersion": %s, "subnet": "10.211.%s."}\n' \
    "$address" "$run" "$data" "$cgroup" "$driver" "$endpoint" "${DOCKER:-docker}" "$kubelet_version" "$(cgroup_version)" "$number" >"$run/cluster.json"
  write_network
  if start_control_plane && start_runtime "$endpoint" && start_kubelet; then
    echo "$run"
  else
    stop
    fail 'the cluster did not come up'
  fi
}

restart() {
  end "$@"
  relaunch "$1"
  case $1 in
    cridock) wait_for cridock answers ;;
    kubelet) wait_for kubelet healthy ;;
  esac
}

no_containers() { [ -z "$(containers)" ]; }
containers() { DOCKER_CONFIG=/nonexistent "${DOCKER:-docker}" -H "$(cat "$run/endpoint")" ps -aq --filter label=io.kubernetes.docker.type; }

stop() {
  local program path setting hierarchy
  if [ -r "$run/kubelet.pid" ] && runs kubelet && runs kube-apiserver; then
    # The kubelet ends pods as it does always: what a plugin has made (rules, leases) goes with them.
    rm -f "$run"/manifests/*
    kubectl delete pods --all --all-namespaces --grace-period=1 --wait=false >/dev/null 2>&1 || true
    wait_until $((60 * patience)) no_containers || say "some containers outlive their pods: $(containers | tr '\n' ' ')"
  fi
  for program in kubelet kube-scheduler kube-controller-manager kube-apiserver etcd metrics-server; do end "$program"; done
  if [ -r "$run/endpoint" ]; then
    containers 2>/dev/null | xargs -r "${DOCKER:-docker}" -H "$(cat "$run/endpoint")" rm -fv >/dev/null || true
  fi
  end cridock
  if [ -r "$run/kernel-settings" ]; then
    while read -r setting; do sysctl -qw "$setting" || true; done <"$run/kernel-settings"
  fi
  awk -v data="$data/" 'index($2, data) == 1 {print $2}' /proc/self/mounts | sort -r |
    while read -r path; do umount -l "$path" || true; done
  for path in "$bridge" "$bridge-p"; do
    if ip link show "$path" >/dev/null 2>&1; then ip link delete "$path"; fi
  done
  for hierarchy in $(cgroup_roots); do
    [ "$cgroup" = / ] || [ ! -d "$hierarchy$cgroup" ] || find "$hierarchy$cgroup" -depth -type d -exec rmdir {} + || true
  done
  # The kubelet links each log in this folder, wherever the logs are.
  find /var/log/containers -maxdepth 1 -lname "$data/*" -delete 2>/dev/null || true
  rm -rf "$run" "$data"
}

case $command:$# in
  start:3) start "$3" ;;
  restart:[34]) restart "${@:3}" ;;
  halt:3) end "$3" ;;
  stop:2) stop ;;
  *) fail "unknown command $command" ;;
esac
