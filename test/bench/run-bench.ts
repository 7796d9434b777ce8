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
import { SHIPPED_ENV, SHIPPED_NODE_FLAGS, cpuMs, median, rssMb, shuffled, timedMs } from './measure.js';
import { RawCri, idOf, requestEncoder } from './raw-cri.js';
import { RawEngine } from './raw-engine.js';

const PODS = 50;
const CONTAINERS_PER_POD = 2;
const CALLERS = 4;
const READ_ROUNDS = 300;
const WRITE_ROUNDS = 30;
/** Of what the Engine takes for the same work. */
const WRITE_LIMIT = 1.05;
/** What ExecSync asks for too. */
const EXEC = { AttachStdout: true, AttachStderr: true, Cmd: ['true'] };

/**
 * `npm run bench`: cridock against the raw requests of the Engine, in turn, with 100 containers in 50 pods on the node. The
 * client does not decode what it reads. Needs an Engine (CRIDOCK_TEST_DOCKER) with busybox:latest, as `npm test` has.
 */
async function main(): Promise<void> {
  const engine = new RawEngine(testDockerEndpoint);
  const cridock = await startCridock({
    flags: ['--log-level=info'],
    nodeFlags: SHIPPED_NODE_FLAGS,
    env: SHIPPED_ENV,
  });
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
  const times = await shuffled(READ_ROUNDS, {
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
  const hostConfig = podConfig('bench-host', cridock.directory);
  const mounts = kubeletMounts(cridock.directory);
  // Made before the clock runs, as is all that is not the servers' own work.
  const requests = Array.from({ length: WRITE_ROUNDS }, (_, round) => ({
    run: encode('RunPodSandbox', { config: podConfig(`bench-run-${round}`, cridock.directory) }),
    create: encode('CreateContainer', {
      pod_sandbox_id: host.sandboxId,
      config: containerConfig(`w${round}`, image, RUN_ON, { mounts }),
      sandbox_config: hostConfig,
    }),
  }));
  const bodies = { sandbox: createBody(sandbox), container: createBody(container) };
  const made: { pods: MadePod[]; raw: string[] } = { pods: [], raw: [] };
  const created: { cri: string[]; raw: string[] } = { cri: [], raw: [] };
  const places = { run: 0, create: 0, start: 0, exec: 0, stop: 0 };
  const rounds = { raw: { ...places }, cri: { ...places } };
  const rawPath = (step: 'start' | 'exec' | 'stop'): string =>
    `/containers/${created.raw[rounds.raw[step]++]}/${step}`;
  const criId = (step: 'start' | 'exec' | 'stop'): { container_id: string | undefined } => ({
    container_id: created.cri[rounds.cri[step]++],
  });
  try {
    const times = {
      ...(await shuffled(WRITE_ROUNDS, {
        rawRun: async () => {
          const id = await engine.create(`bench-raw-${rounds.raw.run++}`, bodies.sandbox);
          made.raw.push(id);
          await engine.request('POST', `/containers/${id}/start`);
          const { State } = await inspect(engine, id);
          await plugin.run('ADD', id, `/proc/${State.Pid}/ns/net`);
        },
        run: async () => {
          const reply = await cri.call('RunPodSandbox', requests[rounds.cri.run++]?.run);
          made.pods.push({ sandboxId: idOf(reply), containerIds: [] });
        },
      })),
      ...(await shuffled(WRITE_ROUNDS, {
        rawCreate: async () => {
          const id = await engine.create(`bench-raw-container-${rounds.raw.create++}`, bodies.container);
          created.raw.push(id);
          made.raw.push(id);
        },
        create: async () => {
          created.cri.push(idOf(await cri.call('CreateContainer', requests[rounds.cri.create++]?.create)));
        },
      })),
      ...(await shuffled(WRITE_ROUNDS, {
        rawStart: () => engine.request('POST', rawPath('start')),
        start: () => cri.call('StartContainer', encode('StartContainer', criId('start'))),
      })),
      ...(await shuffled(WRITE_ROUNDS, {
        rawExec: async () => {
          const { Id: id } = await engine.json<{ Id: string }>('POST', rawPath('exec'), EXEC);
          await engine.request('POST', `/exec/${id}/start`, { Detach: false, Tty: false });
          await engine.request('GET', `/exec/${id}/json`);
        },
        exec: () => cri.call('ExecSync', encode('ExecSync', { ...criId('exec'), cmd: EXEC.Cmd })),
      })),
      ...(await shuffled(WRITE_ROUNDS, {
        rawStop: () => engine.request('POST', `${rawPath('stop')}?t=0`),
        stop: () => cri.call('StopContainer', encode('StopContainer', { ...criId('stop'), timeout: 0 })),
      })),
    };
    compare(
      'RunPodSandbox',
      median(times.run),
      'create + start + CNI ADD',
      median(times.rawRun),
      WRITE_LIMIT,
    );
    compare('CreateContainer', median(times.create), 'create', median(times.rawCreate), WRITE_LIMIT);
    compare('StartContainer', median(times.start), 'start', median(times.rawStart), WRITE_LIMIT);
    compare('ExecSync', median(times.exec), 'create + start + inspect', median(times.rawExec), WRITE_LIMIT);
    compare('StopContainer', median(times.stop), 'stop', median(times.rawStop), WRITE_LIMIT);
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
  return (await engine.json<{ Id: string }>('GET', '/images/busybox:latest/json')).Id;
}

async function inspect(engine: RawEngine, id: string): Promise<ContainerInspect> {
  return engine.json<ContainerInspect>('GET', `/containers/${id}/json`);
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
