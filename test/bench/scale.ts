import { setTimeout as delay } from 'node:timers/promises';
import { cpuMs, median, rssMb } from './measure.js';
import { Worker, eachWorker, type Pod } from './peers/calls.js';
import { peers, type Peer, type RunningPeer } from './peers/servers.js';
import { requestEncoder } from './raw-cri.js';

const STEP_PODS = 50;
const READS = 30;
const REST_S = 60;
const STATS_EVERY_S = 10;
const NOT_ON_DOCKER = 'containerd';
const LISTS = ['ListPodSandbox', 'ListContainers'];
/** That of pods cri-dockerd does not have. */
const STATISTICS = ['ListContainerStats'];

/**
 * `node dist/test/bench/scale.js [PODS]`: what each pod costs as there are more of them, for cridock and, where CRI_DOCKERD names it,
 * cri-dockerd, on the Engine of `bench:peers`; each twice, the second time in the other order, as an Engine that has worked for long
 * does not do so as a fresh one. PODS (default 250) pods of two containers are made by 8 callers, in steps of 50; then
 * reads are timed, and the server's CPU time at rest is taken while it is asked as the kubelet asks: both lists each second,
 * statistics each ten. At last all pods are removed.
 */
async function main(): Promise<void> {
  const pods = Number(process.argv[2] ?? 5 * STEP_PODS);
  const onDocker = peers().given.filter(({ name }) => name !== NOT_ON_DOCKER);
  for (const peer of [...onDocker, ...onDocker.toReversed()]) await measure(peer, pods);
}

async function measure(peer: Peer, count: number): Promise<void> {
  console.log(`# ${peer.name}`);
  const running = await peer.start();
  try {
    const pods: Pod[] = [];
    while (pods.length < count) {
      const { length: first } = pods;
      const { wallS, cpuS } = await costs(running, () =>
        eachWorker(running, STEP_PODS, ignore, async (worker, index) => {
          pods.push(await worker.makePod(`scale-${first + index}`, 2));
        }),
      );
      const perPodMs = (cpuS * 1000) / STEP_PODS;
      const rss = rssMb(running.pid).toFixed(0);
      console.log(
        `${pods.length} pods: the last ${STEP_PODS} in ${wallS.toFixed(2)} s, ${perPodMs.toFixed(1)} ms CPU a pod, RSS ${rss} MB`,
      );
    }
    await reads(running, pods);
    await rest(running);
    const { wallS, cpuS } = await costs(running, () =>
      eachWorker(running, pods.length, ignore, async (worker, index) => {
        const pod = pods[index];
        if (pod !== undefined) await worker.removePod(pod);
      }),
    );
    console.log(`removed in ${wallS.toFixed(2)} s, ${((cpuS * 1000) / pods.length).toFixed(1)} ms CPU a pod`);
  } catch (error) {
    console.error(running.log().slice(-4_000));
    throw error;
  } finally {
    await running.stop();
  }
}

async function reads(peer: RunningPeer, pods: readonly Pod[]): Promise<void> {
  const times = new Map<string, number[]>();
  const worker = new Worker(peer, requestEncoder(), (rpc, ms) =>
    times.set(rpc, [...(times.get(rpc) ?? []), ms]),
  );
  const [{ sandboxId, containerIds: [containerId] } = { sandboxId: '', containerIds: [] }] = pods;
  for (let round = 0; round < READS; round += 1) {
    for (const rpc of ['Version', ...LISTS, ...STATISTICS]) await worker.call(rpc, {});
    await worker.call('PodSandboxStatus', { pod_sandbox_id: sandboxId });
    await worker.call('ContainerStatus', { container_id: containerId });
  }
  worker.close();
  const told = [...times].map(([rpc, ms]) => `${rpc} ${median(ms).toFixed(2)}`);
  console.log(`reads, ms: ${told.join(', ')}`);
}

async function rest(peer: RunningPeer): Promise<void> {
  const worker = new Worker(peer, requestEncoder(), ignore);
  const { cpuS } = await costs(peer, async () => {
    for (let second = 0; second < REST_S; second += 1) {
      const next = delay(1_000);
      for (const rpc of second % STATS_EVERY_S === 0 ? [...LISTS, ...STATISTICS] : LISTS)
        await worker.call(rpc, {});
      await next;
    }
  });
  worker.close();
  console.log(`at rest, asked as by the kubelet: ${((cpuS / REST_S) * 100).toFixed(2)} % of a core`);
}

async function costs(peer: RunningPeer, work: () => Promise<void>): Promise<{ wallS: number; cpuS: number }> {
  const cpuBeforeMs = cpuMs(peer.pid);
  const beganMs = performance.now();
  await work();
  return { wallS: (performance.now() - beganMs) / 1000, cpuS: (cpuMs(peer.pid) - cpuBeforeMs) / 1000 };
}

function ignore(): void {
  // only the sums count
}

await main();
