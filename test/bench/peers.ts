import { forEachLimited } from '../../src/util/concurrency.js';
import { cpuMs, median, rssMb } from './measure.js';
import { Worker, type Pod } from './peers/calls.js';
import { peers, type Peer, type RunningPeer } from './peers/servers.js';
import { requestEncoder } from './raw-cri.js';

const CALLERS = 8;
const ALONE_PODS = 15;
const TOGETHER_PODS = 32;
const FILL_PODS = 50;
const READS = 100;
/** What a failure tells of the server's log. */
const LOG_TAIL_CHARS = 4_000;
const READ_RPCS = ['ListPodSandbox', 'ListContainers', 'ListImages', 'ImageStatus', 'Status', 'Version'];

/** What was measured: by what it is called, then by server. All in ms, but for those that say otherwise. */
type Figures = Map<string, Map<string, number[]>>;

/**
 * `npm run bench:peers [-- ROUNDS]`: cridock beside cri-dockerd and containerd, in turn, ROUNDS times (default 3), on one Engine
 * (CRIDOCK_TEST_DOCKER, with DOCKER as its command) and the same CNI network; see `peers`. The client does not decode what it
 * reads. Prints the median of each figure, and what cridock's is of each peer's. Where the machine refuses a negative
 * oom_score_adj, cri-dockerd needs an Engine with the runc of test/support/clamped-runc.sh.
 */
async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 3);
  const { given, missing } = peers();
  for (const name of missing) console.log(`left out: ${name} names no program`);
  const figures: Figures = new Map();
  for (let round = 0; round < rounds; round += 1) {
    // Another one begins each time: none always follows the same one.
    const order = given.map((_, index) => given[(index + round) % given.length]);
    for (const peer of order) if (peer !== undefined) await measure(peer, figures);
  }
  print(figures, given);
}

async function measure(peer: Peer, figures: Figures): Promise<void> {
  console.log(`# ${peer.name}`);
  const running = await peer.start();
  const note = (what: string, value: number): void => {
    const row = figures.get(what) ?? new Map<string, number[]>();
    figures.set(what, row);
    row.set(peer.name, [...(row.get(peer.name) ?? []), value]);
  };
  try {
    await alone(running, note);
    await together(running, note);
    await fill(running, note);
  } catch (error) {
    console.error(running.log().slice(-LOG_TAIL_CHARS));
    throw error;
  } finally {
    await running.stop();
  }
}

type Take = (what: string, value: number) => void;

async function alone(peer: RunningPeer, note: Take): Promise<void> {
  const worker = new Worker(peer, requestEncoder(), (rpc, ms) => note(`${rpc} alone`, ms));
  for (let index = 0; index < ALONE_PODS; index += 1) {
    const pod = await worker.makePod(`alone-${index}`, 1);
    await worker.call('ExecSync', { container_id: pod.containerIds[0], cmd: ['true'], timeout: 10 });
    await worker.removePod(pod);
  }
  worker.close();
}

async function together(peer: RunningPeer, note: Take): Promise<void> {
  await eachWorker(
    peer,
    TOGETHER_PODS,
    (rpc, ms) => note(`${rpc}, ${CALLERS} at a time`, ms),
    async (worker, index) => {
      await worker.removePod(await worker.makePod(`together-${index}`, 1));
    },
  );
}

async function fill(peer: RunningPeer, note: Take): Promise<void> {
  const pods: Pod[] = [];
  const cpuBeforeMs = cpuMs(peer.pid);
  const beganMs = performance.now();
  await eachWorker(
    peer,
    FILL_PODS,
    () => undefined,
    async (worker, index) => {
      pods.push(await worker.makePod(`fill-${index}`, 2));
    },
  );
  note(`${FILL_PODS} pods with 2 containers, s`, (performance.now() - beganMs) / 1000);
  note('CPU of the server for it, s', (cpuMs(peer.pid) - cpuBeforeMs) / 1000);
  await reads(peer, note);
  note('RSS with them, MB', rssMb(peer.pid));
  await eachWorker(
    peer,
    pods.length,
    () => undefined,
    async (worker, index) => {
      const pod = pods[index];
      if (pod !== undefined) await worker.removePod(pod);
    },
  );
}

async function reads(peer: RunningPeer, note: Take): Promise<void> {
  const worker = new Worker(peer, requestEncoder(), (rpc, ms) => note(`${rpc}, full node`, ms));
  for (let round = 0; round < READS; round += 1) {
    for (const rpc of READ_RPCS)
      await worker.call(rpc, rpc === 'ImageStatus' ? { image: { image: peer.image } } : {});
  }
  worker.close();
}

/** The work for each index, by `CALLERS` clients with a connection each. */
async function eachWorker(
  peer: RunningPeer,
  count: number,
  note: Take,
  work: (worker: Worker, index: number) => Promise<void>,
): Promise<void> {
  const encode = requestEncoder();
  const idle = Array.from({ length: CALLERS }, () => new Worker(peer, encode, note));
  const all = [...idle];
  try {
    await forEachLimited(Array.from({ length: count }).keys(), CALLERS, async (index) => {
      const worker = idle.pop();
      if (worker === undefined) throw new Error('more callers than clients');
      try {
        await work(worker, index);
      } finally {
        idle.push(worker);
      }
    });
  } finally {
    for (const worker of all) worker.close();
  }
}

function print(figures: Figures, given: readonly Peer[]): void {
  const names = given.map(({ name }) => name);
  const others = names.filter((name) => name !== 'cridock');
  const rows = [...figures].map(([what, row]) => {
    const medians = names.map((name) => median(row.get(name) ?? []));
    const ratios = others.map((name) => (medians[0] ?? NaN) / median(row.get(name) ?? []));
    return [
      what,
      ...medians.map((value) => value.toFixed(2)),
      ...ratios.map((ratio) => `${ratio.toFixed(2)} ×`),
    ];
  });
  const head = ['median, ms', ...names, ...others.map((name) => `of ${name}`)];
  for (const cells of [head, head.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
}

await main();
