import { cpuMs, median, rssMb } from './measure.js';
import { CALLERS, Worker, eachWorker, type Pod } from './peers/calls.js';
import { peers, type Peer, type RunningPeer } from './peers/servers.js';
import { requestEncoder } from './raw-cri.js';

const ALONE_PODS = 15;
const TOGETHER_PODS = 32;
const FILL_PODS = 50;
const READS = 100;
/** What a failure tells of the server's log. */
const LOG_TAIL_CHARS = 4_000;
const READ_RPCS = ['ListPodSandbox', 'ListContainers', 'ListImages', 'ImageStatus', 'Status', 'Version'];

/** What was measured: by what it is called, then by server, then by round. All in ms, but for those that say otherwise. */
type Figures = Map<string, Map<string, number[][]>>;

/**
 * `npm run bench:peers [-- ROUNDS]`: cridock beside cri-dockerd and containerd, in turn, ROUNDS times (default 3), on one Engine
 * (CRIDOCK_TEST_DOCKER, with DOCKER as its command) and the same CNI network; see `peers`. The client does not decode what it
 * reads. Prints the median of each figure, what cridock's is of each peer's, and between which values that was in single rounds. Where the machine refuses a negative
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
    for (const peer of order) if (peer !== undefined) await measure(peer, round, figures);
  }
  print(figures, given);
}

async function measure(peer: Peer, round: number, figures: Figures): Promise<void> {
  console.log(`# ${peer.name}`);
  const running = await peer.start();
  const note = (what: string, value: number): void => {
    const row = figures.get(what) ?? new Map<string, number[][]>();
    figures.set(what, row);
    const rounds = row.get(peer.name) ?? [];
    row.set(peer.name, rounds);
    (rounds[round] ??= []).push(value);
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

function print(figures: Figures, given: readonly Peer[]): void {
  const names = given.map(({ name }) => name);
  const others = names.filter((name) => name !== 'cridock');
  const rows = [...figures].map(([what, row]) => {
    const rounds = (name: string | undefined): number[][] => row.get(name ?? '') ?? [];
    const medians = names.map((name) => median(rounds(name).flat()));
    const [ours = NaN] = medians;
    const ratios = others.map((name) => {
      const inRounds = rounds(name).map(
        (theirs, round) => median(rounds(names[0])[round] ?? []) / median(theirs),
      );
      const spread = [Math.min(...inRounds), Math.max(...inRounds)]
        .map((ratio) => ratio.toFixed(2))
        .join('–');
      return `${(ours / median(rounds(name).flat())).toFixed(2)} × (${spread})`;
    });
    return [what, ...medians.map((value) => value.toFixed(2)), ...ratios];
  });
  const head = ['median, ms', ...names, ...others.map((name) => `of ${name}`)];
  for (const cells of [head, head.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
}

await main();
