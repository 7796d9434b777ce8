import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { RUN_ON, containerConfig, kubeletMounts, podConfig } from '../../support/pods.js';
import { pick, type Random } from '../../support/hostile.js';
import type { World } from './world.js';

/** What may become of a call, by its RPC. */
export interface Rpc {
  readonly name: string;
  /** How often it is called, beside the others. */
  readonly weight: number;
  /** What it gets to answer. */
  readonly deadlineMs: number;
  /** Whether the request itself may ask for a wait beyond the deadline, or for an endless stream. */
  readonly mayWait: boolean;
  /** A valid request, in the form of the proto file. */
  readonly valid: (world: World, random: Random) => object;
}

/** Far beyond what any takes, also on a machine that is busy with much else: what has not ended then never will. */
const READ_MS = 60_000;
const CHANGE_MS = 120_000;

type Valid = Rpc['valid'];

const read = (valid: Valid = () => ({}), weight = 10): Omit<Rpc, 'name'> => ({
  weight,
  deadlineMs: READ_MS,
  mayWait: false,
  valid,
});
const change = (weight: number, valid: Valid): Omit<Rpc, 'name'> => ({
  weight,
  deadlineMs: CHANGE_MS,
  mayWait: false,
  valid,
});

const some = <T>(random: Random, values: readonly T[]): T => pick(random, values as readonly [T, ...T[]]);
const anyPod = (world: World, random: Random) => some(random, [...world.keepers, ...world.disposables]);
const disposable = (world: World, random: Random) => some(random, world.disposables);
const containerOf = ({ containerIds }: { containerIds: string[] }, random: Random) =>
  some(random, containerIds);

const sandboxId: Valid = (world, random) => ({ pod_sandbox_id: anyPod(world, random).sandboxId });
const containerId: Valid = (world, random) => ({ container_id: containerOf(anyPod(world, random), random) });
const disposableSandbox: Valid = (world, random) => ({ pod_sandbox_id: disposable(world, random).sandboxId });
const disposableContainer: Valid = (world, random) => ({
  container_id: containerOf(disposable(world, random), random),
});
const sandboxFilter: Valid = (world, random) => ({
  filter: {
    id: anyPod(world, random).sandboxId,
    state: { state: 0 },
    label_selector: { 'io.kubernetes.pod.namespace': 'cridock-test' },
  },
});
const containerFilter: Valid = (world, random) => {
  const pod = anyPod(world, random);
  return {
    filter: {
      id: containerOf(pod, random),
      state: { state: 1 },
      pod_sandbox_id: pod.sandboxId,
      label_selector: { 'io.kubernetes.pod.namespace': 'cridock-test' },
    },
  };
};
const statsFilter: Valid = (world, random) => {
  const { filter } = containerFilter(world, random) as { filter: { state?: object } };
  delete filter.state;
  return { filter };
};
const sandboxStatsFilter: Valid = (world, random) => {
  const { filter } = sandboxFilter(world, random) as { filter: { state?: object } };
  delete filter.state;
  return { filter };
};
const image: Valid = (world) => ({
  image: { image: `${world.registry.host}/fuzz:good`, annotations: { a: 'b' }, user_specified_image: 'fuzz' },
});
const resources = {
  cpu_period: 100_000, cpu_quota: 50_000, cpu_shares: 512, memory_limit_in_bytes: 64 * 1024 * 1024, oom_score_adj: 500,
  cpuset_cpus: '0', cpuset_mems: '0', hugepage_limits: [{ page_size: '2MB', limit: 0 }], unified: {},
  memory_swap_limit_in_bytes: 64 * 1024 * 1024,
}; // prettier-ignore

const name = (random: Random) => `fuzz-${Math.floor(random() * 2 ** 32).toString(36)}`;
const logFolder = (world: World, of: string) => path.join(world.directory, 'logs', of);

const sandbox = (world: World, random: Random) =>
  podConfig(name(random), world.directory, {
    dns_config: { servers: ['10.0.0.10'], searches: ['svc.cluster.local'], options: ['ndots:5'] },
    port_mappings: [{ protocol: 0, container_port: 80 }],
  });

const container: Valid = (world, random) => {
  const { sandboxId: id } = disposable(world, random);
  const config = containerConfig(name(random), 'busybox:latest', RUN_ON, {
    args: ['--', 'x'],
    working_dir: '/',
    envs: [{ key: 'A', value: Buffer.from('b') }],
    mounts: kubeletMounts(world.directory),
    devices: [{ container_path: '/dev/fuzz', host_path: '/dev/null', permissions: 'rw' }],
  });
  const { linux } = config;
  Object.assign(linux ?? {}, { resources });
  Object.assign(linux?.security_context ?? {}, {
    capabilities: { add_capabilities: ['NET_RAW'], drop_capabilities: ['MKNOD'] },
    run_as_user: { value: 0 },
    supplemental_groups: [1, 2],
    masked_paths: ['/proc/kcore'],
    readonly_paths: ['/proc/sys'],
    seccomp: { profile_type: 1 },
    no_new_privs: true,
  });
  mkdirSync(logFolder(world, 'x'), { recursive: true });
  return { pod_sandbox_id: id, config, sandbox_config: sandbox(world, random) };
};
const exec: Valid = (world, random) => ({
  container_id: containerOf(anyPod(world, random), random),
  cmd: ['echo', 'fuzz'],
  stdout: true,
  stderr: true,
});

const RPCS: Readonly<Record<string, Omit<Rpc, 'name'>>> = {
  Version: read(() => ({ version: 'v1' })),
  Status: read(() => ({ verbose: true }), 5),
  RuntimeConfig: read(),
  UpdateRuntimeConfig: read(() => ({ runtime_config: { network_config: { pod_cidr: '10.9.8.0/24' } } })),
  RunPodSandbox: change(3, (world, random) => ({ config: sandbox(world, random), runtime_handler: '' })),
  StopPodSandbox: change(2, disposableSandbox),
  RemovePodSandbox: change(2, disposableSandbox),
  PodSandboxStatus: read((world, random) => ({ ...sandboxId(world, random), verbose: true })),
  ListPodSandbox: read(sandboxFilter),
  StreamPodSandboxes: read(sandboxFilter),
  UpdatePodSandboxResources: change(6, (world, random) => ({
    ...disposableSandbox(world, random),
    overhead: resources,
    resources,
  })),
  CreateContainer: change(12, container),
  StartContainer: change(4, disposableContainer),
  StopContainer: {
    ...change(4, (world, random) => ({ ...disposableContainer(world, random), timeout: 1 })),
    mayWait: true,
  },
  RemoveContainer: change(4, disposableContainer),
  ListContainers: read(containerFilter),
  StreamContainers: read(containerFilter),
  ContainerStatus: read((world, random) => ({ ...containerId(world, random), verbose: true })),
  UpdateContainerResources: change(8, (world, random) => ({
    ...disposableContainer(world, random),
    linux: resources,
    annotations: { a: 'b' },
  })),
  ReopenContainerLog: read(containerId),
  ExecSync: { ...change(4, (world, random) => ({ ...exec(world, random), timeout: 5 })), mayWait: true },
  Exec: read(exec, 8),
  Attach: read((world, random) => ({ ...containerId(world, random), stdout: true, stderr: true }), 8),
  PortForward: read((world, random) => ({ ...sandboxId(world, random), port: [80] }), 8),
  ContainerStats: read(containerId),
  ListContainerStats: read(statsFilter),
  StreamContainerStats: read(statsFilter),
  PodSandboxStats: read(sandboxId),
  ListPodSandboxStats: read(sandboxStatsFilter),
  StreamPodSandboxStats: read(sandboxStatsFilter),
  ListMetricDescriptors: read(),
  ListPodSandboxMetrics: read(),
  StreamPodSandboxMetrics: read(),
  GetContainerEvents: { ...read(undefined, 3), mayWait: true },
  CheckpointContainer: read((world, random) => ({
    ...containerId(world, random),
    location: path.join(world.directory, 'x'),
    timeout: 60, // on a busy machine a second is soon over
  }), 4),
  CheckpointPod: read((world, random) => ({
    ...sandboxId(world, random),
    container_ids: [(containerId(world, random) as { container_id: string }).container_id],
    output_path: path.join(world.directory, 'x'),
  }), 4),
  RestorePod: read((world, random) => ({
    config: sandbox(world, random),
    checkpoint_path: path.join(world.directory, 'x'),
    container_configs: [(container(world, random) as { config: object }).config],
  }), 4),
  ListImages: read((world, random) => ({ filter: image(world, random) })),
  StreamImages: read((world, random) => ({ filter: image(world, random) })),
  ImageStatus: read((world, random) => ({ ...image(world, random), verbose: true })),
  PullImage: change(4, (world, random) => ({
    ...image(world, random),
    auth: { username: 'fuzz', password: 'fuzz', server_address: world.registry.host },
    sandbox_config: sandbox(world, random),
  })),
  RemoveImage: change(3, image),
  ImageFsInfo: read(undefined, 5),
}; // prettier-ignore

/** How an RPC is called. Throws an Error for one that has no valid request here. */
export function rpcNamed(rpc: string): Rpc {
  const known = RPCS[rpc];
  if (known === undefined) throw new Error(`the fuzzer has no valid request for ${rpc}`);
  return { name: rpc, ...known };
}

/** Texts of this run for odd places: ids, beginnings of ids, names, images, paths. */
export function wordsOf(world: World): [string, ...string[]] {
  const ids = [...world.keepers, ...world.disposables].flatMap((pod) => [pod.sandboxId, ...pod.containerIds]);
  const inside = world.directory;
  return [
    `${inside}/../../../../../../../..${inside}/odd`,
    path.join(inside, 'a\nb'),
    path.join(inside, 'n'.repeat(255)),
    `${inside}/${'deep/'.repeat(700)}`,
    `${world.registry.host}/fuzz@${world.registry.digest}`,
    `${world.registry.host}/none:none`,
    'busybox:latest',
    ...ids,
    ...ids.map((id) => id.slice(0, 12)),
    ...ids.map((id) => id.toUpperCase()),
  ];
}
