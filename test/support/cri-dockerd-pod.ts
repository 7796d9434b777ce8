import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ContainerInspect } from '../../src/docker/types.js';
import { dockerRequest } from './docker-request.js';

/** A port of a pod, as cri-dockerd writes it into a checkpoint. */
export interface CheckpointPort {
  protocol: string;
  container_port: number;
  host_port: number;
}

export interface CriDockerdPodSpec {
  /** `unix://` endpoint of the Engine. */
  endpoint: string;
  name: string;
  /** Appended to the sandbox's name when its six-field name was taken, as `_0a1b2c3d`. */
  nameSuffix: string;
  /** In which form mounts are asked for: `binds` by cri-dockerd 0.3.x and 0.4.2 on, `mounts` by 0.4.0 and 0.4.1. */
  shape: 'binds' | 'mounts';
  image: string;
  ports: CheckpointPort[];
  /** The checksum that belongs to these ports. */
  checksum: number;
  /** As in cridock's flags, but for the network: a list with one plugin. */
  rootDirectory: string;
  cniCacheDir: string;
  networkList: string;
  pluginDir: string;
  /** Where the pod's logs, and what it mounts, are. */
  directory: string;
}

export interface CriDockerdPod {
  sandboxId: string;
  containerId: string;
  address: string;
  logPath: string;
  mountSource: string;
}

/** The kubelet's own labels of a pod. */
export function kubeletLabels(name: string): Record<string, string> {
  return {
    'io.kubernetes.pod.name': name,
    'io.kubernetes.pod.namespace': 'adopted',
    'io.kubernetes.pod.uid': `uid-${name}`,
  };
}

/** Makes a pod with one container by the Engine's API and CNI plugins alone, in the way that cri-dockerd does it. */
export async function makeCriDockerdPod(spec: CriDockerdPodSpec): Promise<CriDockerdPod> {
  const sandboxId = await makeSandbox(spec);
  const address = attach(spec, sandboxId, (await inspect(spec, sandboxId)).State.Pid);
  writeCheckpoint(spec, sandboxId);
  const logPath = path.join(spec.directory, 'logs', spec.name, 'c', '0.log');
  const mountSource = path.join(spec.directory, `mounted-${spec.name}`);
  mkdirSync(mountSource, { recursive: true });
  writeFileSync(path.join(mountSource, 'file'), 'mounted\n');
  const containerId = await makeContainer(spec, sandboxId, logPath, mountSource);
  return { sandboxId, containerId, address, logPath, mountSource };
}

async function makeSandbox(spec: CriDockerdPodSpec): Promise<string> {
  const published = spec.ports.filter(({ host_port: hostPort }) => hostPort > 0);
  const key = (port: CheckpointPort): string => `${port.container_port}/${port.protocol}`;
  const body = {
    Image: 'registry.k8s.io/pause:3.10',
    Hostname: spec.name,
    Labels: {
      ...kubeletLabels(spec.name),
      app: 'adopted',
      'annotation.kubernetes.io/config.source': 'api',
      'io.kubernetes.container.name': 'POD',
      'io.kubernetes.docker.type': 'podsandbox',
    },
    ExposedPorts: Object.fromEntries(published.map((port) => [key(port), {}])),
    HostConfig: {
      NetworkMode: 'none',
      IpcMode: 'shareable',
      PortBindings: Object.fromEntries(
        published.map((port) => [key(port), [{ HostIp: '', HostPort: String(port.host_port) }]]),
      ),
      // cri-dockerd asks for -998, which some hosts refuse even to root.
      OomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
      CpuShares: 2,
      SecurityOpt: ['no-new-privileges'],
      ShmSize: 67_108_864,
    },
  };
  const id = await create(spec, `k8s_POD_${spec.name}_adopted_uid-${spec.name}_3${spec.nameSuffix}`, body);
  await post(spec, `/containers/${id}/start`);
  const { ResolvConfPath: resolvConf = '' } = await inspect(spec, id);
  writeFileSync(resolvConf, 'nameserver 10.96.0.10\nsearch adopted.svc.cluster.local\noptions ndots:5\n');
  return id;
}

async function makeContainer(
  spec: CriDockerdPodSpec,
  sandboxId: string,
  logPath: string,
  mountSource: string,
): Promise<string> {
  const mount = {
    Type: 'bind',
    Source: mountSource,
    Target: '/mounted',
    ReadOnly: true,
    BindOptions: { CreateMountpoint: true },
  };
  const body = {
    Image: spec.image,
    Entrypoint: ['sh', '-c', 'echo started; while :; do sleep 3600 & wait $!; done'],
    Env: ['A=b'],
    Healthcheck: { Test: ['NONE'] },
    Labels: {
      ...kubeletLabels(spec.name),
      'annotation.io.kubernetes.container.hash': 'b6a8c1d2',
      'annotation.io.kubernetes.container.restartCount': '2',
      'io.kubernetes.container.name': 'c',
      'io.kubernetes.container.logpath': logPath,
      'io.kubernetes.docker.type': 'container',
      'io.kubernetes.sandbox.id': sandboxId,
    },
    HostConfig: {
      NetworkMode: `container:${sandboxId}`,
      IpcMode: `container:${sandboxId}`,
      ...(spec.shape === 'mounts' ? { Mounts: [mount] } : { Binds: [`${mountSource}:/mounted:ro`] }),
      Memory: 67_108_864,
      MemorySwap: 67_108_864,
      SecurityOpt: ['seccomp=unconfined'],
      ShmSize: 67_108_864,
      RestartPolicy: { Name: 'no' },
    },
  };
  const id = await create(spec, `k8s_c_${spec.name}_adopted_uid-${spec.name}_2`, body);
  await post(spec, `/containers/${id}/start`);
  mkdirSync(path.dirname(logPath), { recursive: true });
  symlinkSync((await inspect(spec, id)).LogPath ?? '', logPath);
  return id;
}

/** Runs the loopback plugin and the network's own, both on `eth0`, and records both as libcni does. Answers the address. */
function attach(spec: CriDockerdPodSpec, sandboxId: string, pid: number): string {
  const loopback = '{"cniVersion":"0.2.0","name":"cni-loopback","plugins":[{"type":"loopback"}]}';
  const portMappings = spec.ports
    .filter(({ host_port: hostPort }) => hostPort > 0)
    .map((port) => ({
      hostPort: port.host_port,
      containerPort: port.container_port,
      protocol: port.protocol,
    }));
  const args = [
    ['IgnoreUnknown', '1'],
    ['K8S_POD_NAMESPACE', 'adopted'],
    ['K8S_POD_NAME', spec.name],
    ['K8S_POD_INFRA_CONTAINER_ID', sandboxId],
  ];
  const add = (list: string): { ips?: { address: string }[] } => {
    const { cniVersion, name, plugins } = JSON.parse(list) as {
      cniVersion: string;
      name: string;
      plugins: { type: string }[];
    };
    const output = execFileSync(path.join(spec.pluginDir, plugins[0]?.type ?? ''), {
      input: JSON.stringify({ cniVersion, name, ...plugins[0] }),
      env: {
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: sandboxId,
        CNI_NETNS: `/proc/${pid}/ns/net`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: spec.pluginDir,
        CNI_ARGS: args.map((pair) => pair.join('=')).join(';'),
        PATH: process.env['PATH'],
      },
    });
    const result = JSON.parse(output.toString()) as { ips?: { address: string }[] };
    const record = {
      kind: 'cniCacheV1',
      containerId: sandboxId,
      config: Buffer.from(list).toString('base64'),
      ifName: 'eth0',
      networkName: name,
      cniArgs: args,
      capabilityArgs: { ipRanges: [[{ subnet: '' }]], portMappings },
      result,
    };
    mkdirSync(path.join(spec.cniCacheDir, 'results'), { recursive: true });
    writeFileSync(
      path.join(spec.cniCacheDir, 'results', `${name}-${sandboxId}-eth0`),
      JSON.stringify(record),
    );
    return result;
  };
  add(loopback);
  return add(spec.networkList).ips?.[0]?.address.split('/')[0] ?? '';
}

function writeCheckpoint(
  { rootDirectory, name, ports, checksum }: CriDockerdPodSpec,
  sandboxId: string,
): void {
  const data = ports.length === 0 ? {} : { port_mappings: ports };
  const checkpoint = { version: 'v1', name, namespace: 'adopted', data, checksum };
  mkdirSync(path.join(rootDirectory, 'sandbox'), { recursive: true });
  writeFileSync(path.join(rootDirectory, 'sandbox', sandboxId), JSON.stringify(checkpoint), { mode: 0o600 });
}

async function create(spec: CriDockerdPodSpec, name: string, body: object): Promise<string> {
  const { Id: id } = JSON.parse(await post(spec, `/containers/create?name=${name}`, body)) as { Id: string };
  return id;
}

async function inspect({ endpoint }: CriDockerdPodSpec, id: string): Promise<ContainerInspect> {
  const { body } = await dockerRequest(endpoint, 'GET', `/containers/${id}/json`);
  return JSON.parse(body) as ContainerInspect;
}

async function post({ endpoint }: CriDockerdPodSpec, url: string, body?: object): Promise<string> {
  const answer = await dockerRequest(endpoint, 'POST', url, body);
  if (answer.status >= 300) throw new Error(`${url}: ${answer.status} ${answer.body}`);
  return answer.body;
}
