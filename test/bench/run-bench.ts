import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { ContainerInspect } from '../../src/docker/types.js';
import { forEachLimited } from '../../src/util/concurrency.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { RUN_ON, containerConfig, kubeletMounts, podConfig } from '../support/pods.js';
import { SHIPPED_NODE_FLAGS, cpuMs, interleaved, median, rssMb, timedMs } from './measure.js';
import { RawCri, idOf, requestEncoder } from './raw-cri.js';
import { RawEngine } from './raw-engine.js';

const PODS = 50;
const CONTAINERS_PER_POD = 2;
const CALLERS = 4;
const READ_ROUNDS = 300;
const WRITE_ROUNDS = 30;

/**
 * `npm run bench`: cridock against the raw requests of the Engine, in turn, with 100 containers in 50 pods on the node. The
 * client does not decode what it reads. Needs an Engine (CRIDOCK_TEST_DOCKER) with busybox:latest, as `npm test` has.
 */
async function main(): Promise<void> {
  const engine = new RawEngine(testDockerEndpoint);
  const cridock = await startCridock({ flags: ['--log-level=info'], nodeFlags: SHIPPED_NODE_FLAGS });
  const image = await imageId(engine);
  const pods: MadePod[] = [];
  try {
    const names = Array.from({ length: PODS }, (_, index) => `bench-${index}`);
    await forEachLimited(names, CALLERS, async (name) => {
      const spec = { name, image, directory: cridock.directory, containers: CONTAINERS_PER_POD };
      pods.push(await makePod(cridock.client, spec));
    });
    await benchReads(cridock, engine, pods);
    await benchWrites(cridock, engine, image);
    print('RSS after all of it', `${rssMb(cridock.pid).toFixed(0)} MB`, '');
  } finally {
    await forEachLimited(pods, CALLERS, (pod) => removePod(cridock.client, pod));
    await cridock.stop();
    engine.close();
  }
}

async function benchReads(cridock: CridockProcess, engine: RawEngine, pods: MadePod[]): Promise<void> {
  const { pid } = cridock;
  const cri = new RawCri(cridock.socketPath);
  const call = (rpc: string, request?: Buffer) => () => cri.call(rpc, request);
  const id = (value: string): Buffer =>
    Buffer.concat([Buffer.from([0x0a, value.length]), Buffer.from(value)]);
  const pod = pods[0];
  if (pod === undefined) throw new Error('no pod was made');
  const listPods = call('ListPodSandbox');
  const listContainers = call('ListContainers');
  const relist = async (): Promise<void> => {
    await listPods();
    await listContainers();
  };
  const times = await interleaved(READ_ROUNDS, {
    engineList: () => engine.request('GET', '/containers/json?all=1'),
    relist,
    version: call('Version'),
    containerStatus: call('ContainerStatus', id(pod.containerIds[0] ?? '')),
    podSandboxStatus: call('PodSandboxStatus', id(pod.sandboxId)),
  });
  const version = median(times.version);
  compare(
    'ListPodSandbox + ListContainers',
    median(times.relist),
    'GET /containers/json?all=1',
    median(times.engineList),
    1 / 6,
  );
  compare('ContainerStatus', median(times.containerStatus), 'Version', version, 1.5);
  compare('PodSandboxStatus', median(times.podSandboxStatus), 'Version', version, 1.5);
  const cpuBeforeMs = cpuMs(pid);
  for (let round = 0; round < READ_ROUNDS; round += 1) await relist();
  const cpuPerRelistMs = (cpuMs(pid) - cpuBeforeMs) / READ_ROUNDS;
  print('CPU a relist', `${cpuPerRelistMs.toFixed(2)} ms`, verdict(cpuPerRelistMs <= 2.5, '2.5 ms'));
  cri.close();
  const rss = rssMb(pid);
  print('RSS after it', `${rss.toFixed(0)} MB`, verdict(rss <= 90, '90 MB'));
}

async function benchWrites(cridock: CridockProcess, engine: RawEngine, image: string): Promise<void> {
  const { client } = cridock;
  const host = await makePod(client, {
    name: 'bench-host',
    image,
    directory: cridock.directory,
    containers: 1,
  });
  const sandbox = await inspect(engine, host.sandboxId);
  const container = await inspect(engine, host.containerIds[0] ?? '');
  const plugin = readPlugin(cridock);
  const cri = new RawCri(cridock.socketPath);
  const encode = requestEncoder();
  const made: { pods: MadePod[]; raw: string[]; members: string[] } = { pods: [], raw: [], members: [] };
  const created = { cri: '', raw: '' };
  let round = 0;
  try {
    const times = await interleaved(WRITE_ROUNDS, {
      rawRun: async () => {
        round += 1;
        const id = await engine.create(`bench-raw-${round}`, createBody(sandbox));
        made.raw.push(id);
        await engine.request('POST', `/containers/${id}/start`);
        const { State } = await inspect(engine, id);
        await plugin.run('ADD', id, `/proc/${State.Pid}/ns/net`);
      },
      run: async () => {
        const config = podConfig(`bench-run-${round}`, cridock.directory);
        const reply = await cri.call('RunPodSandbox', encode('RunPodSandbox', { config }));
        made.pods.push({ sandboxId: idOf(reply), containerIds: [] });
      },
      rawCreate: async () => {
        created.raw = await engine.create(`bench-raw-container-${round}`, createBody(container));
        made.raw.push(created.raw);
      },
      create: async () => {
        const request = {
          pod_sandbox_id: host.sandboxId,
          config: containerConfig(`w${round}`, image, RUN_ON, { mounts: kubeletMounts(cridock.directory) }),
          sandbox_config: podConfig('bench-host', cridock.directory),
        };
        created.cri = idOf(await cri.call('CreateContainer', encode('CreateContainer', request)));
      },
      rawStart: () => engine.request('POST', `/containers/${created.raw}/start`),
      start: () => cri.call('StartContainer', encode('StartContainer', { container_id: created.cri })),
    });
    compare('RunPodSandbox', median(times.run), 'create + start + CNI ADD', median(times.rawRun), 1.15);
    compare('CreateContainer', median(times.create), 'create', median(times.rawCreate), 1.15);
    compare('StartContainer', median(times.start), 'start', median(times.rawStart), 1.15);
  } finally {
    cri.close();
    for (const id of made.raw) {
      await plugin.run('DEL', id, '').catch(() => undefined); // containers that are no sandboxes were never attached
      await engine.request('DELETE', `/containers/${id}?force=1`);
    }
    for (const pod of [...made.pods, host]) await removePod(client, pod);
  }
}

/** The kubelet names images by id. */
async function imageId(engine: RawEngine): Promise<string> {
  const answer = await engine.request('GET', '/images/busybox:latest/json');
  return (JSON.parse(answer.toString()) as { Id: string }).Id;
}

async function inspect(engine: RawEngine, id: string): Promise<ContainerInspect> {
  return JSON.parse((await engine.request('GET', `/containers/${id}/json`)).toString()) as ContainerInspect;
}

/** The same container again, but not as one of cridock's. */
function createBody({ Config, HostConfig }: ContainerInspect): object {
  const isMember = HostConfig.NetworkMode?.startsWith('container:') === true;
  // A member's hostname is its sandbox's, and Docker takes none for it.
  return { ...Config, ...(isMember && { Hostname: '' }), Labels: {}, HostConfig };
}

/** Runs the only plugin of cridock's network by itself. */
function readPlugin({ directory }: CridockProcess): {
  run(command: string, id: string, netns: string): Promise<void>;
} {
  const file = path.join(directory, 'net.d', '10-test.conflist');
  const list = JSON.parse(readFileSync(file, 'utf8')) as {
    cniVersion: string;
    name: string;
    plugins: { type: string }[];
  };
  const [plugin] = list.plugins;
  if (plugin === undefined) throw new Error(`${file} names no plugin`);
  const input = JSON.stringify({ cniVersion: list.cniVersion, name: list.name, ...plugin });
  return {
    run: async (command, id, netns) => {
      const env = {
        CNI_COMMAND: command,
        CNI_CONTAINERID: id,
        CNI_NETNS: netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/usr/lib/cni:/opt/cni/bin',
        PATH: process.env['PATH'],
      };
      const child = spawn(`/usr/lib/cni/${plugin.type}`, { env, stdio: ['pipe', 'pipe', 'inherit'] });
      child.stdin.end(input);
      const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
      if (child.exitCode !== 0) throw new Error(`${plugin.type} ${command}: ${output}`);
    },
  };
}

function compare(what: string, ms: number, against: string, againstMs: number, limit: number): void {
  const ratio = ms / againstMs;
  const figures = `${ms.toFixed(2)} ms, ${against} ${againstMs.toFixed(2)} ms: ratio ${ratio.toFixed(3)}`;
  print(what, figures, verdict(ratio <= limit, limit.toFixed(3)));
}

function verdict(holds: boolean, limit: string): string {
  return `${holds ? 'holds' : 'MISSED'} (limit ${limit})`;
}

function print(what: string, figures: string, judgement: string): void {
  console.log(`${what.padEnd(32)} ${figures}  ${judgement}`);
}

const totalMs = await timedMs(main);
console.log(`medians; ${(totalMs / 1000).toFixed(0)} s in all`);
