/**
 * What plugins of the Node Resource Interface cost, with one that wants all events and answers at once, in a process of its own:
 * a call of it, the synchronisation of a full node, and, on the Engine of CRIDOCK_TEST_DOCKER where that is given, creations and
 * starts of containers with it and without, in turn.
 *
 * Usage: [CRIDOCK_TEST_DOCKER=unix://...] node dist/test/bench/nri.js [TURNS]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EVENTS, type EventName } from '../../src/nri/events.js';
import { Nri } from '../../src/nri/nri.js';
import { silentLogger } from '../../src/util/log.js';
import { TestPlugin } from '../support/nri-plugin.js';
import { TestNode } from '../support/test-node.js';
import { until } from '../support/until.js';
import { median, timedMs } from './measure.js';

const CALLS = 2_000;
const CONTAINERS = 1_000;
const SYNCHRONISATIONS = 5;
const PATIENCE_MS = 30_000;

/** As large as those of a usual pod are. */
const labels = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [`app.kubernetes.io/label-${index}`, `value-${index}`]),
);
const mounts = Array.from({ length: 6 }, (_, index) => ({
  destination: `/var/run/secrets/mount-${index}`,
  source: `/var/lib/kubelet/pods/7f2c9a52-7b0e-4f0d-9e0c-6f4f3c8b5f10/volumes/volume-${index}`,
  type: 'bind',
  options: ['rbind', 'rprivate', 'ro'],
}));
const env = Array.from({ length: 20 }, (_, index) => `SERVICE_${index}_PORT=tcp://10.96.0.${index}:443`);

function podOf(index: number): object {
  return { id: `pod-${index}`, name: `pod-${index}`, namespace: 'default', labels, annotations: labels };
}

function containerOf(index: number): object {
  const pod_sandbox_id = `pod-${index >> 1}`;
  return { id: `container-${index}`, pod_sandbox_id, name: 'main', labels, mounts, env, args: ['serve'] };
}

async function measureCalls(path: string): Promise<void> {
  const state = {
    pods: Array.from({ length: CONTAINERS / 2 }, (_, index) => podOf(index)),
    containers: Array.from({ length: CONTAINERS }, (_, index) => containerOf(index)),
  };
  const options = {
    runtimeVersion: 'v1',
    folders: { plugins: '', configs: '' },
    registrationTimeoutMs: PATIENCE_MS,
    requestTimeoutMs: PATIENCE_MS,
    log: silentLogger,
  };
  const took = new Map<string, number[]>();
  const onCall = (_plugin: string, event: string, _code: string, ms: number): void => {
    took.set(event, [...(took.get(event) ?? []), ms]);
  };
  const nri = new Nri({ ...options, onCall }, () => ({
    ready: Promise.resolve(),
    state: () => Promise.resolve(state),
    update: () => Promise.resolve([]),
    evict: () => Promise.resolve(),
  }));
  const server = createServer((socket) => void nri.connect(socket));
  server.listen(path);
  await once(server, 'listening');
  const sinceMs: number[] = [];
  for (let time = 1; time <= SYNCHRONISATIONS; time += 1) {
    const plugin = startPlugin(path);
    await until('it to be synchronised', () => took.get('Synchronize')?.length === time, PATIENCE_MS);
    await until('it to be told of events', () => !nri.isIdle, PATIENCE_MS);
    if (time === SYNCHRONISATIONS) {
      for (let call = 0; call < CALLS; call += 1) {
        const asked = { pod: podOf(call), container: containerOf(call) };
        sinceMs.push(await timedMs(() => nri.plugins.tell('PostCreateContainer', () => asked)));
      }
    }
    plugin.kill();
    await until('it to be gone', () => nri.isIdle, PATIENCE_MS);
  }
  const sorted = sinceMs.sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (CALLS - 1))] ?? 0).toFixed(3);
  console.log(`a call, ms: ${at(0.5)} median, ${at(0.99)} p99 of ${CALLS}`);
  const synchronised = (took.get('Synchronize') ?? []).map((ms) => ms.toFixed(1));
  console.log(`synchronisation of ${CONTAINERS} containers and their pods, ms: ${synchronised.join(', ')}`);
  server.close();
  await nri.stop();
}

async function measureStarts(turns: number): Promise<void> {
  const node = await TestNode.start();
  try {
    const pod = await node.pod();
    const socket = join(node.cridock.directory, 'nri.sock');
    const took = { none: [] as number[], one: [] as number[] };
    const life = async (): Promise<number> => {
      let id = '';
      const ms = await timedMs(async () => ({ id } = await node.start(pod)));
      await node.runtime.RemoveContainer({ container_id: id });
      return ms;
    };
    await life(); // what is read for the first time
    for (let turn = 0; turn < turns; turn += 1) {
      const count = (text: RegExp): number => node.cridock.log().match(text)?.length ?? 0;
      const registered = count(/an NRI plugin has registered/g);
      const withPlugin = async (): Promise<void> => {
        const plugin = startPlugin(socket);
        await until('it to register', () => count(/an NRI plugin has registered/g) > registered, PATIENCE_MS);
        await life(); // the plugin's own first one, which is slow in any new process
        took.one.push(await life());
        plugin.kill();
        await until('it to be gone', () => count(/an NRI plugin is gone/g) > registered, PATIENCE_MS);
      };
      if (turn % 2 === 0) took.none.push(await life());
      await withPlugin();
      if (turn % 2 === 1) took.none.push(await life());
    }
    const ratio = median(took.one.map((ms, turn) => ms / (took.none[turn] ?? ms)));
    console.log(
      `create and start, ms: ${median(took.none).toFixed(1)} with no plugin, ${median(took.one).toFixed(1)} with one: ` +
        `${ratio.toFixed(3)} x (median of ${turns} turns)`,
    );
  } finally {
    await node.close();
  }
}

function startPlugin(path: string): ChildProcess {
  return fork(fileURLToPath(import.meta.url), ['plugin', path], { stdio: 'inherit' });
}

if (process.argv[2] === 'plugin') {
  const plugin = await TestPlugin.register(process.argv[3] ?? '', {
    events: Object.keys(EVENTS) as EventName[],
  });
  setInterval(() => plugin.isClosed && process.exit(), 1_000);
} else {
  const directory = mkdtempSync(join(tmpdir(), 'cridock-nri-bench-'));
  try {
    await measureCalls(join(directory, 'nri.sock'));
    if (process.env['CRIDOCK_TEST_DOCKER'] !== undefined) await measureStarts(Number(process.argv[2] ?? 40));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
