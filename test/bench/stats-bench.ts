import { existsSync, mkdtempSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachLimited } from '../../src/util/concurrency.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { removePod, type MadePod } from '../support/pod-worker.js';
import { RUN_ON, containerConfig, podConfig } from '../support/pods.js';
import { until } from '../support/until.js';
import { SHIPPED_NODE_FLAGS, cpuMs, median, rssMb, timedMs } from './measure.js';
import { RawCri } from './raw-cri.js';
import { RawEngine } from './raw-engine.js';

/*
 * What statistics cost, with pods as the kubelet makes them: two containers each, in a cgroup of their own. The client does not
 * decode what it reads.
 *
 * Usage:  node dist/test/bench/stats-bench.js
 * Input:  CRIDOCK_TEST_DOCKER, an Engine with busybox:latest; CRIDOCK_BENCH_PODS, numbers of pods to measure with, growing
 *         (default: 50); CRIDOCK_BENCH_CPU_SECONDS, how long to watch the CPU time with the first of them (default: 60);
 *         CRIDOCK_BENCH_NODE_FLAGS, such as `--cpu-prof --cpu-prof-dir=/tmp/profile`.
 * Output: a line for each figure, and whether its limit holds.
 */

const [FIRST_SIZE = 50, ...LARGER_SIZES] = (process.env['CRIDOCK_BENCH_PODS'] ?? '50').split(',').map(Number);
const CPU_SECONDS = Number(process.env['CRIDOCK_BENCH_CPU_SECONDS'] ?? 60);
const NODE_FLAGS = (process.env['CRIDOCK_BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
const CONTAINERS_PER_POD = 2;
const CALLERS = 4;
const ROUNDS = 20;
/** What was measured for an earlier call serves others for a second: it must not serve the call that is timed. */
const KEPT_MS = 1_050;
/** Since the last request to the Engine: later than the one, and earlier than the other, the next comparison is far. */
const AFTER_COMPARISON_MS = 500;
const BEFORE_COMPARISON_MS = 8_000;
const BETWEEN_TIMEOUT_MS = 30_000;
const ENGINE_ROUNDS = 5;
const ENGINE_PARALLEL = 12;
const POLL_EVERY_MS = 10_000;
const CGROUP = '/cridock-bench';

const CALLS = ['ListContainerStats', 'ListPodSandboxStats', 'ListPodSandboxMetrics'] as const;
type Call = (typeof CALLS)[number];
/** Milliseconds for 100 containers in 50 pods. */
const LIMITS: Record<Call, number> = {
  ListContainerStats: 15,
  ListPodSandboxStats: 15,
  ListPodSandboxMetrics: 30,
};
const ENGINE_RATIO_LIMIT = 1 / 10;
const CPU_SHARE_LIMIT = 0.005;

/** Medians, in milliseconds. */
type Times = Record<Call, number>;

const enginePath = testDockerEndpoint.replace('unix://', '');
const folder = mkdtempSync(path.join(tmpdir(), 'stats-bench-'));
const proxy = await startCountingProxy(enginePath, path.join(folder, 'engine.sock'));
const cridock = await startCridock({
  flags: ['--log-level=info', `--docker-endpoint=${proxy.endpoint}`],
  nodeFlags: [...SHIPPED_NODE_FLAGS, ...NODE_FLAGS],
});
const cri = new RawCri(cridock.socketPath);
const engine = new RawEngine(testDockerEndpoint);
const pods: MadePod[] = [];
try {
  await growTo(FIRST_SIZE);
  const first = await measure();
  for (const call of CALLS) judge(call, first[call], LIMITS[call], 'ms');
  const oneShotsMs = await timeOneShots();
  judge('ListContainerStats / one-shot stats', first.ListContainerStats / oneShotsMs, ENGINE_RATIO_LIMIT, '');
  if (CPU_SECONDS > 0) await watchCpu();
  for (const size of LARGER_SIZES) {
    await growTo(size);
    const larger = await measure();
    for (const call of CALLS) {
      const growth = larger[call] / first[call];
      judge(`${call}, growth with ${size / FIRST_SIZE} times the pods`, growth, size / FIRST_SIZE, 'times');
    }
  }
} finally {
  cri.close();
  engine.close();
  await forEachLimited(pods, CALLERS, (pod) => removePod(cridock.client, pod));
  await cridock.stop();
  await proxy.close();
  rmSync(folder, { recursive: true });
  removeCgroups();
}

async function growTo(size: number): Promise<void> {
  const more = Array.from({ length: size - pods.length }, (_, index) => `bench-${pods.length + index}`);
  await forEachLimited(more, CALLERS, async (name) => void pods.push(await makePodInCgroup(cridock, name)));
  console.log(`--- ${size} pods, ${size * CONTAINERS_PER_POD} containers`);
}

async function measure(): Promise<Times> {
  await delay(2_000);
  for (const call of CALLS) await cri.call(call); // opens what is kept open
  let passed = 0;
  const times = { ListContainerStats: 0, ListPodSandboxStats: 0, ListPodSandboxMetrics: 0 };
  for (const call of CALLS) {
    const values: number[] = [];
    let cpu = 0;
    let bytes = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await delay(KEPT_MS);
      await betweenComparisons();
      const [cpuBefore, passedBefore] = [cpuMs(cridock.pid), proxy.requests.length];
      values.push(await timedMs(async () => (bytes = (await cri.call(call)).length)));
      cpu += cpuMs(cridock.pid) - cpuBefore;
      passed += proxy.requests.length - passedBefore;
    }
    times[call] = median(values);
    const [p50, max] = [median(values).toFixed(1), Math.max(...values).toFixed(1)];
    console.log(`${call}: p50 ${p50} ms, max ${max} ms, CPU ${(cpu / ROUNDS).toFixed(1)} ms, ${bytes} bytes`);
  }
  judge('requests to the Engine during the calls', passed, 0, '');
  const kept = readdirSync(`/proc/${cridock.pid}/fd`).length;
  console.log(`cridock: ${kept} descriptors, ${rssMb(cridock.pid).toFixed(0)} MB resident`);
  return times;
}

/**
 * cridock compares its state with the Engine's every ten seconds, and reads all of it behind every 18th comparison, whether
 * something is asked or not. Waits for a moment that neither falls into, so that no call is blamed for them.
 */
async function betweenComparisons(): Promise<void> {
  const quietMs = (): number => performance.now() - proxy.lastRequestAtMs;
  const isBetween = (): boolean => quietMs() > AFTER_COMPARISON_MS && quietMs() < BEFORE_COMPARISON_MS;
  await until('a pause between comparisons', isBetween, BETWEEN_TIMEOUT_MS);
}

/** What `GET /stats` of all containers takes. */
async function timeOneShots(): Promise<number> {
  const ids = pods.flatMap(({ containerIds }) => containerIds);
  const askAll = (): Promise<void> =>
    forEachLimited(ids, ENGINE_PARALLEL, async (id) => {
      await engine.request('GET', `/v1.41/containers/${id}/stats?stream=false&one-shot=true`);
    });
  const times: number[] = [];
  for (let round = 0; round < ENGINE_ROUNDS; round += 1) times.push(await timedMs(askAll));
  const p50 = median(times);
  console.log(`${ids.length} one-shot GET /stats, ${ENGINE_PARALLEL} at a time: p50 ${p50.toFixed(1)} ms`);
  return p50;
}

/** As a kubelet and a metrics server poll. */
async function watchCpu(): Promise<void> {
  const before = cpuMs(cridock.pid);
  for (let waitedMs = 0; waitedMs < CPU_SECONDS * 1000; waitedMs += POLL_EVERY_MS) {
    await cri.call('ListContainerStats');
    await cri.call('ListPodSandboxStats');
    await delay(POLL_EVERY_MS);
  }
  const share = (cpuMs(cridock.pid) - before) / (CPU_SECONDS * 1000);
  judge('CPU with both lists every 10 s, % of a core', share * 100, CPU_SHARE_LIMIT * 100, '%');
}

function judge(what: string, figure: number, limit: number, unit: string): void {
  const verdict = figure <= limit ? 'holds ' : 'MISSED';
  console.log(`${verdict} ${what}: ${figure.toFixed(3)} (limit ${limit} ${unit})`);
}

async function makePodInCgroup({ client, directory }: CridockProcess, name: string): Promise<MadePod> {
  const base = podConfig(name, directory);
  const config = { ...base, linux: { ...base.linux, cgroup_parent: `${CGROUP}/${name}` } };
  const { pod_sandbox_id: sandboxId } = await client.runtime.RunPodSandbox({ config });
  const containerIds: string[] = [];
  for (let index = 0; index < CONTAINERS_PER_POD; index += 1) {
    const { container_id: id } = await client.runtime.CreateContainer({
      pod_sandbox_id: sandboxId,
      config: containerConfig(`c${index}`, 'busybox:latest', RUN_ON),
      sandbox_config: config,
    });
    await client.runtime.StartContainer({ container_id: id });
    containerIds.push(id);
  }
  return { sandboxId, containerIds };
}

/** Docker leaves the pods' cgroups, as the kubelet made them. */
function removeCgroups(): void {
  const hierarchies = readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}${CGROUP}`);
  for (const top of [`/sys/fs/cgroup${CGROUP}`, ...hierarchies]) {
    if (!existsSync(top)) continue;
    for (const name of readdirSync(top)) if (name.startsWith('bench-')) rmdirSync(path.join(top, name));
    rmdirSync(top);
  }
}
