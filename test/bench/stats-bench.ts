import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachLimited } from '../../src/util/concurrency.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { startCridock, testDockerEndpoint, type CridockProcess } from '../support/cridock-process.js';
import { removePod, type MadePod } from '../support/pod-worker.js';
import { RUN_ON, containerConfig, podConfig } from '../support/pods.js';

/*
 * What statistics cost, with pods as the kubelet makes them: two containers each, in a cgroup of their own.
 * Input:  CRIDOCK_TEST_DOCKER, an Engine with busybox:latest; CRIDOCK_BENCH_PODS, numbers of pods to measure with, growing
 *         (default: 50); CRIDOCK_BENCH_CPU_SECONDS, how long to watch the CPU time (default: 60).
 * Output: a line for each figure. The client does not decode what it reads.
 */

const SIZES = (process.env['CRIDOCK_BENCH_PODS'] ?? '50').split(',').map(Number);
const CPU_SECONDS = Number(process.env['CRIDOCK_BENCH_CPU_SECONDS'] ?? 60);
const CONTAINERS_PER_POD = 2;
const CALLERS = 4;
const ROUNDS = 30;
const KEPT_MS = 1_050;
const ENGINE_ROUNDS = 10;
const ENGINE_PARALLEL = 12;
const POLL_EVERY_MS = 10_000;
const CGROUP = '/cridock-bench';

const enginePath = testDockerEndpoint.replace('unix://', '');
const folder = mkdtempSync(path.join(tmpdir(), 'stats-bench-'));
const proxy = await startCountingProxy(enginePath, path.join(folder, 'engine.sock'));
const cridock = await startCridock({ flags: ['--log-level=info', `--docker-endpoint=${proxy.endpoint}`] });
const agent = new Agent({ keepAlive: true, maxSockets: ENGINE_PARALLEL });
const pods: MadePod[] = [];
try {
  for (const size of SIZES) {
    const more = Array.from({ length: size - pods.length }, (_, index) => `bench-${pods.length + index}`);
    await forEachLimited(more, CALLERS, async (name) => void pods.push(await makePodInCgroup(cridock, name)));
    console.log(`--- ${size} pods, ${size * CONTAINERS_PER_POD} containers`);
    await measure();
  }
  await watchCpu();
} finally {
  await forEachLimited(pods, CALLERS, (pod) => removePod(cridock.client, pod));
  await cridock.stop();
  agent.destroy();
  await proxy.close();
  rmSync(folder, { recursive: true });
  removeCgroups();
}

async function measure(): Promise<void> {
  await delay(2_000);
  const passedBefore = proxy.requests.length;
  const calls = ['ListContainerStats', 'ListPodSandboxStats', 'ListPodSandboxMetrics'];
  for (const rpc of calls) await call(rpc); // opens what is kept open
  const times = new Map(calls.map((rpc): [string, number[]] => [rpc, []]));
  for (const [rpc, values] of times) {
    let cpu = 0;
    let bytes = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await delay(KEPT_MS); // what was measured for earlier calls must not serve this one
      const cpuBefore = cpuMs(cridock.pid);
      const startedMs = performance.now();
      bytes = (await call(rpc)).length;
      values.push(performance.now() - startedMs);
      cpu += cpuMs(cridock.pid) - cpuBefore;
    }
    const spread = `p50 ${percentile(values, 50)} ms, p99 ${percentile(values, 99)} ms`;
    console.log(`${rpc}: ${spread}, ${(cpu / ROUNDS).toFixed(1)} ms of CPU, ${bytes} bytes`);
  }
  console.log('requests to the Engine meanwhile:', proxy.requests.slice(passedBefore));
  const ids = pods.flatMap(({ containerIds }) => containerIds);
  const engineTimes: number[] = [];
  for (let round = 0; round < ENGINE_ROUNDS; round += 1) {
    const startedMs = performance.now();
    await forEachLimited(ids, ENGINE_PARALLEL, oneShot);
    engineTimes.push(performance.now() - startedMs);
  }
  console.log(
    `${ids.length} one-shot GET /stats, ${ENGINE_PARALLEL} at a time: p50 ${percentile(engineTimes, 50)} ms`,
  );
  const kept = readdirSync(`/proc/${cridock.pid}/fd`).length;
  console.log(`cridock: ${kept} descriptors, ${rssMb(cridock.pid)} MB resident`);
}

/** As a kubelet and a metrics server poll. */
async function watchCpu(): Promise<void> {
  const before = cpuMs(cridock.pid);
  for (let waitedMs = 0; waitedMs < CPU_SECONDS * 1000; waitedMs += POLL_EVERY_MS) {
    await call('ListContainerStats');
    await call('ListPodSandboxStats');
    await delay(POLL_EVERY_MS);
  }
  const polledMs = cpuMs(cridock.pid) - before;
  console.log(
    `CPU with both lists every 10 s: ${((polledMs / (CPU_SECONDS * 1000)) * 100).toFixed(2)} % of a core (${polledMs} ms in ${CPU_SECONDS} s)`,
  );
}

async function call(rpc: string): Promise<Buffer> {
  return cridock.client.rawCall(`/runtime.v1.RuntimeService/${rpc}`, Buffer.alloc(0));
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

async function oneShot(id: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const options = {
      agent,
      socketPath: enginePath,
      path: `/v1.41/containers/${id}/stats?stream=false&one-shot=true`,
    };
    get(options, (response) => response.on('end', resolve).on('error', reject).resume()).on('error', reject);
  });
}

function percentile(values: number[], percent: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor(((sorted.length - 1) * percent) / 100)] ?? NaN).toFixed(1);
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssMb(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
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
