import { USER } from '../../convert/container/container-body.js';
import { cdiDevices } from '../../convert/container/devices.js';
import { criResources } from '../../convert/limits/resources.js';
import { cgroupsPath } from '../../convert/nri/cgroup-paths.js';
import { nriMounts } from '../../convert/nri/mounts.js';
import { nriResources } from '../../convert/nri/resources.js';
import { containerUser } from '../../convert/security/user.js';
import type { Container } from '../../gen/nri/pkg/api/v1alpha1/Container.js';
import { ContainerState as NriState } from '../../gen/nri/pkg/api/v1alpha1/ContainerState.js';
import type { LinuxDevice } from '../../gen/nri/pkg/api/v1alpha1/LinuxDevice.js';
import type { User } from '../../gen/nri/pkg/api/v1alpha1/User.js';
import type { LinuxNamespace } from '../../gen/nri/pkg/api/v1alpha1/LinuxNamespace.js';
import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import { nodeLimitsOf } from '../../limits/node-limits.js';
import { isHostNetwork, type ContainerRecord, type SandboxRecord } from '../../state/records.js';
import type { CriDeps } from '../deps.js';

/** What it takes to describe containers to plugins. */
export type DescribeContainerDeps = Pick<CriDeps, 'heldLimits' | 'hostPaths' | 'mirror'>;

/** A container as plugins see it, from what Docker and its labels tell: much as OCI's config.json will have it. */
export async function describeContainer(
  deps: DescribeContainerDeps,
  container: ContainerRecord,
  sandbox: SandboxRecord | undefined,
): Promise<Container> {
  const { id, labels, inspect, phase, image } = container;
  const { Config: config, HostConfig: host } = inspect;
  const limits = nodeLimitsOf(deps, container);
  return {
    id,
    pod_sandbox_id: container.sandboxId,
    name: container.metadata.name,
    state: stateOf(container),
    labels: labels.labels,
    annotations: labels.annotations,
    args: [...(inspect.Path === undefined ? [] : [inspect.Path]), ...(inspect.Args ?? [])],
    env: config.Env ?? [],
    mounts: nriMounts(inspect),
    hooks: {},
    pid: container.pid,
    created_at: container.createdAtNs.toString(),
    started_at: phase.startedAtNs.toString(),
    finished_at: phase.finishedAtNs.toString(),
    exit_code: phase.exitCode,
    status_reason: phase.reason,
    status_message: phase.message,
    CDI_devices: cdiDevicesOf(container),
    user: userOf(container),
    image: { name: image.name, digest: image.ref, config_digest: image.id },
    linux: {
      namespaces: namespacesOf(container, sandbox),
      devices: await devicesOf(deps, container),
      resources: {
        ...nriResources(criResources(host, limits)),
        ...(typeof host.PidsLimit === 'number' && { pids: { limit: host.PidsLimit } }),
      },
      oom_score_adj: { value: limits.oomScoreAdj ?? host.OomScoreAdj ?? 0 },
      cgroups_path: cgroupsPath(id, host.CgroupParent ?? '', deps.mirror.facts?.info.CgroupDriver),
      sysctl: host.Sysctls ?? {},
    },
  };
}

function stateOf({ status, phase }: ContainerRecord): NriState {
  if (status === 'paused') return NriState.CONTAINER_PAUSED;
  switch (phase.state) {
    case ContainerState.CONTAINER_CREATED:
      return NriState.CONTAINER_CREATED;
    case ContainerState.CONTAINER_RUNNING:
      return NriState.CONTAINER_RUNNING;
    case ContainerState.CONTAINER_EXITED:
      return NriState.CONTAINER_STOPPED;
    case ContainerState.CONTAINER_UNKNOWN:
      return NriState.CONTAINER_UNKNOWN;
  }
}

function userOf({ labels }: ContainerRecord): User | null {
  const user = containerUser(labels.own[USER])?.linux;
  if (user === undefined || user === null) return null;
  const groups = (user.supplemental_groups ?? []).map(String).filter((group) => group !== '');
  return { uid: Number(user.uid), gid: Number(user.gid), additional_gids: groups.map(Number) };
}

/** As the request named them; its annotations are checked when it is made. */
function cdiDevicesOf({ labels, inspect }: ContainerRecord): { name: string }[] {
  const ids = (inspect.HostConfig.DeviceRequests ?? []).flatMap(({ Driver, DeviceIDs }) =>
    Driver === 'cdi' ? DeviceIDs : [],
  );
  try {
    const annotated = cdiDevices({ CDI_devices: [], annotations: labels.annotations });
    return [...new Set([...ids, ...annotated.map(({ name }) => name)])].map((name) => ({ name }));
  } catch {
    return ids.map((name) => ({ name }));
  }
}

/** Docker follows links to them, and what it cannot look at now it looked at when it made the container. */
async function devicesOf(
  { hostPaths: { stats } }: Pick<DescribeContainerDeps, 'hostPaths'>,
  { inspect }: ContainerRecord,
): Promise<LinuxDevice[]> {
  const devices: LinuxDevice[] = [];
  for (const { PathOnHost, PathInContainer } of inspect.HostConfig.Devices ?? []) {
    const node = await stats.find(PathOnHost).catch(() => undefined);
    if (node === undefined || !(node.isBlockDevice() || node.isCharacterDevice())) continue;
    devices.push({
      path: PathInContainer,
      type: node.isBlockDevice() ? 'b' : 'c',
      major: majorOf(node.rdev),
      minor: minorOf(node.rdev),
      file_mode: { value: node.mode & 0o7777 },
      uid: { value: node.uid },
      gid: { value: node.gid },
    });
  }
  return devices;
}

/** As makedev(3) of Linux puts them together. */
function majorOf(device: number): number {
  return Math.floor(device / 2 ** 8) & 0xfff;
}

function minorOf(device: number): number {
  return (device & 0xff) + (Math.floor(device / 2 ** 12) & 0xfff00);
}

function namespacesOf({ inspect }: ContainerRecord, sandbox: SandboxRecord | undefined): LinuxNamespace[] {
  const { PidMode: pid = '', IpcMode: ipc = '', CgroupnsMode: cgroup = '' } = inspect.HostConfig;
  const shared = (file: string): string => (sandbox?.pid ? `/proc/${sandbox.pid}/ns/${file}` : '');
  const namespaces: LinuxNamespace[] = [{ type: 'mount' }];
  if (pid !== 'host') namespaces.push({ type: 'pid', path: pid === '' ? '' : shared('pid') });
  if (ipc !== 'host')
    namespaces.push({ type: 'ipc', path: ipc.startsWith('container:') ? shared('ipc') : '' });
  const hasHostNetwork = sandbox !== undefined && isHostNetwork(sandbox);
  if (!hasHostNetwork) namespaces.push({ type: 'network', path: shared('net') }, { type: 'uts' });
  if (cgroup === 'private') namespaces.push({ type: 'cgroup' });
  return namespaces;
}
