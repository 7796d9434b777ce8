/**
 * What plugins of the Node Resource Interface cost, with one that wants all events and answers at once, in a process of its own:
 * a call of it, the synchronisation of a full node, and, on the Engine of CRIDOCK_TEST_DOCKER where that is given, creations and
 * starts of containers with it and without, in turn. Before that, what NRI costs those who have no plugin: starts, CPU time and
 * memory of two cridocks on that Engine, in turn, one of which has it disabled.
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
import { startCridock } from '../support/cridock-process.js';
import { nriOptions, unchangingHost } from '../support/nri-runtime.js';
import { TestPlugin } from '../support/nri-plugin.js';
import { TestNode, type TestPod } from '../support/test-node.js';
import { until } from '../support/until.js';
import { cpuMs, median, rssMb, SHIPPED_ENV, SHIPPED_NODE_FLAGS, timedMs } from './measure.js';

const CALLS = 2_000;
const CONTAINERS = 1_000;
const SYNCHRONISATIONS = 5;
const PATIENCE_MS = 30_000;
/** Of containers in a turn: CPU time is told in steps of 10 ms. */
const LIVES = 5;

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
  const took = new Map<string, number[]>();
  const onCall = (_plugin: string, event: string, _code: string, ms: number): void => {
    took.set(event, [...(took.get(event) ?? []), ms]);
  };
  const host = unchangingHost(state);
  const nri = new Nri({ ...nriOptions(PATIENCE_MS), onCall }, () => host);
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

/** A cridock as it is shipped, and what its containers took. */
interface Contestant {
  readonly node: TestNode;
  readonly pod: TestPod;
  readonly startMs: number[];
  /** Of cridock, for the lives of each turn. */
  readonly cpuMs: number[];
}

/** Both watch the Engine's events all the time; each is measured while its own containers live. */
async function measureIdle(turns: number): Promise<void> {
  const off = await contestant(['--nri-disable']);
  const on = await contestant([]);
  try {
    for (const one of [off, on]) await live(one); // what is read for the first time
    for (const one of [off, on]) for (const list of [one.startMs, one.cpuMs]) list.length = 0;
    for (let turn = 0; turn < turns; turn += 1) {
      for (const one of turn % 2 === 0 ? [off, on] : [on, off]) await live(one);
    }
    const perTurn = ({ startMs }: Contestant): number[] =>
      off.cpuMs.map((_, turn) => median(startMs.slice(turn * LIVES, (turn + 1) * LIVES)));
    const ratio = (ofOn: number[], ofOff: number[]): string =>
      median(ofOn.map((value, turn) => value / (ofOff[turn] ?? value))).toFixed(3);
    const shown = ({ node, startMs, cpuMs: ms }: Contestant): string =>
      `${median(startMs).toFixed(1)} ms a start, ${(ms.reduce((sum, one) => sum + one, 0) / startMs.length).toFixed(1)} ms CPU, ` +
      `${rssMb(node.cridock.pid).toFixed(1)} MB`;
    console.log(`NRI off: ${shown(off)}`);
    console.log(`NRI on, no plugin: ${shown(on)}`);
    console.log(
      `on / off: starts ${ratio(perTurn(on), perTurn(off))} x, CPU ${ratio(on.cpuMs, off.cpuMs)} x ` +
        `(medians of ${turns} turns of ${LIVES} containers each)`,
    );
  } finally {
    await off.node.close();
    await on.node.close();
  }
}

async function contestant(flags: string[]): Promise<Contestant> {
  const { engine, image, cridock } = await TestNode.start();
  await cridock.stop();
  const shipped = await startCridock({ flags, nodeFlags: SHIPPED_NODE_FLAGS, env: SHIPPED_ENV });
  const node = new TestNode(shipped, engine, image);
  return { node, pod: await node.pod(), startMs: [], cpuMs: [] };
}

/** Creates, starts and removes some containers. */
async function live({ node, pod, startMs, cpuMs: spent }: Contestant): Promise<void> {
  const before = cpuMs(node.cridock.pid);
  for (let life = 0; life < LIVES; life += 1) {
    let id = '';
    startMs.push(await timedMs(async () => ({ id } = await node.start(pod))));
    await node.runtime.RemoveContainer({ container_id: id });
  }
  spent.push(cpuMs(node.cridock.pid) - before);
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
    if (process.env['CRIDOCK_TEST_DOCKER'] !== undefined) {
      const turns = Number(process.argv[2] ?? 40);
      await measureIdle(turns);
      await measureStarts(turns);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}
