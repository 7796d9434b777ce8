import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import type { CpuSample } from '../../../src/stats/cpu-rate.js';
import type { ContainerConfig } from '../../../src/gen/runtime/v1/ContainerConfig.js';
import type { ContainerStats__Output } from '../../../src/gen/runtime/v1/ContainerStats.js';
import type { PodSandboxStats__Output } from '../../../src/gen/runtime/v1/PodSandboxStats.js';
import { silentLogger } from '../../../src/util/log.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { kernelCpuNs, kernelFigures, kernelSentBytes } from '../../support/kernel-figures.js';
import { removePod, type MadePod } from '../../support/pod-worker.js';
import { containerConfig, podConfig } from '../../support/pods.js';
import { until } from '../../support/until.js';

const MIB = 1024 * 1024;
const TOLERANCE = 0.05;
/** A rate is over so long at least. */
const RATED_MS = 5_000;

/** A figure as a message has it. */
type Figure = number | string | { toString(): string } | undefined;

/** A process that keeps 100 MiB of touched memory: dd has read them and waits for a reader that never reads. */
const HOLD_100_MIB = `mkfifo /pipe; sleep 3600 </pipe & dd if=/dev/zero of=/pipe bs=${100 * MIB} count=1 &`;

describe('statistics against loads of known size', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const sandboxConfig = (): ReturnType<typeof podConfig> => podConfig('stats', cridock.directory);
  let cridock: CridockProcess;
  let pod: MadePod;
  let folder: string;
  let sink: Server;
  let received = 0;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
    folder = mkdtempSync(path.join(cridock.directory, 'data-'));
    sink = createServer((socket) => socket.on('data', (bytes) => (received += bytes.length))).listen(0);
    const { pod_sandbox_id: sandboxId } = await cridock.client.runtime.RunPodSandbox({
      config: sandboxConfig(),
    });
    pod = { sandboxId, containerIds: [] };
  });
  after(async () => {
    try {
      await removePod(cridock.client, pod);
    } finally {
      sink.close();
      rmSync(folder, { recursive: true });
      await cridock.stop();
      engine.close();
    }
  });

  async function run(name: string, command: string, changes: ContainerConfig = {}): Promise<string> {
    const { container_id: id } = await cridock.client.runtime.CreateContainer({
      pod_sandbox_id: pod.sandboxId,
      config: containerConfig(name, 'busybox:latest', `${command}; sleep 3600 & wait`, changes),
      sandbox_config: sandboxConfig(),
    });
    pod.containerIds.push(id);
    await cridock.client.runtime.StartContainer({ container_id: id });
    return id;
  }

  async function statsOf(id: string): Promise<ContainerStats__Output> {
    const { stats } = await cridock.client.runtime.ContainerStats({ container_id: id });
    assert.ok(stats);
    return stats;
  }

  async function podStats(): Promise<PodSandboxStats__Output> {
    const { stats } = await cridock.client.runtime.PodSandboxStats({ pod_sandbox_id: pod.sandboxId });
    assert.ok(stats?.linux);
    return stats;
  }

  const pidOf = async (id: string): Promise<number> => (await engine.inspectContainer(id)).State.Pid;

  it('memory: 100 MiB held, and a file of 300 MiB read that is not in the working set', async () => {
    // Written past the page cache, so that its pages are charged to the container that reads it.
    const file = path.join(folder, 'file');
    execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', 'count=300', 'oflag=direct', 'status=none']);
    // In large blocks: of smaller ones several fall on one folio of the cache, which then counts as used again.
    const id = await run('memory', `${HOLD_100_MIB} dd if=/data/file of=/dev/null bs=4M`, {
      mounts: [{ container_path: '/data', host_path: folder, readonly: true }],
    });
    const pid = await pidOf(id);
    await until('the load is there', () => kernelFigures(pid).usage > 400 * MIB, 30_000);
    await delay(2_500); // the kernel sums memory.stat up every two seconds
    const { memory } = await statsOf(id);
    const kernel = kernelFigures(pid);
    near(memory?.rss_bytes?.value, 100 * MIB, 'RSS');
    near(memory?.usage_bytes?.value, kernel.usage, 'usage');
    near(memory?.working_set_bytes?.value, kernel.usage - kernel.inactiveFile, 'working set');
    near(memory?.working_set_bytes?.value, 100 * MIB, 'working set without the file');
    assert.ok(Number(memory?.page_faults?.value) >= (100 * MIB) / 4096 / 512, 'page faults');
    assert.equal(memory?.available_bytes, null, 'no limit');
  });

  it('CPU: a loop with a quota of half a core', async () => {
    const id = await run('cpu', 'while :; do :; done', {
      linux: { resources: { cpu_period: '100000', cpu_quota: '50000' } },
    });
    const pid = await pidOf(id);
    const read = (): CpuSample => ({ atMs: performance.now(), usageNs: kernelCpuNs(pid) });
    const earlier = [read()];
    // Whatever a busy machine leaves to the loop at each moment: the rate is since one of these.
    while (performance.now() - (earlier[0]?.atMs ?? 0) < 6_000) {
      await delay(100);
      earlier.push(read());
    }
    const before = read();
    const { cpu } = await statsOf(id);
    const after = read();
    const rates = earlier
      .filter(({ atMs }) => before.atMs - atMs >= RATED_MS)
      .flatMap((from) => [rateOf(from, before), rateOf(from, after)]);
    between(cpu?.usage_core_nano_seconds?.value, [before.usageNs, after.usageNs], 'CPU time');
    between(cpu?.usage_nano_cores?.value, rates, "rate by the kernel's own counter");
  });

  it('disk: 50 MiB written to the layer', async () => {
    const id = await run('disk', `mkdir /d; touch /d/1 /d/2; dd if=/dev/zero of=/file bs=1M count=50`);
    await until('the container has a size', async () => (await statsOf(id)).writable_layer !== null, 20_000);
    // The end of a container has its layer measured at once; while it runs that is done every minute.
    await until('the file is written', async () => (await layerBytes(engine, id)) >= 50 * MIB, 20_000);
    await cridock.client.runtime.StopContainer({ container_id: id, timeout: '1' });
    const measured = async (): Promise<number> =>
      Number((await statsOf(id)).writable_layer?.used_bytes?.value);
    await until('the layer was measured', async () => (await measured()) > 45 * MIB, 20_000);
    near(await measured(), 50 * MIB, 'writable layer');
    const { writable_layer: layer, cpu, memory } = await statsOf(id);
    assert.ok(Number(layer?.inodes_used?.value) >= 5, 'its root, the file, a folder with two files');
    assert.deepEqual([cpu, memory], [null, null], 'nothing else is known of a container that has ended');
  });

  it('network: 20 MiB sent over eth0', async () => {
    const before = await podStats();
    const { Pid: pid } = (await engine.inspectContainer(pod.sandboxId)).State;
    const kernelBefore = kernelSentBytes(pid, 'eth0');
    const { port } = sink.address() as { port: number };
    const gateway = "$(ip route | awk '/default/ {print $3}')";
    await run('network', `dd if=/dev/zero bs=1M count=20 | nc ${gateway} ${port}`);
    await until('everything has come', () => received >= 20 * MIB, 30_000);
    const sent = async (): Promise<number> =>
      Number((await podStats()).linux?.network?.default_interface?.tx_bytes?.value) -
      Number(before.linux?.network?.default_interface?.tx_bytes?.value);
    // Headers are 4.5 % of it, and what a busy machine has to send twice counts twice: the kernel's own word is what holds.
    const bytes = await sent();
    near(bytes, kernelSentBytes(pid, 'eth0') - kernelBefore, 'bytes sent');
    assert.ok(bytes >= 20 * MIB, `${bytes} bytes`);
    const network = (await podStats()).linux?.network;
    assert.equal(network?.default_interface?.name, 'eth0');
    assert.deepEqual(network.interfaces, []);
  });

  it("the pod's figures are the sums of its containers'", async () => {
    const { linux } = await podStats();
    const running = linux?.containers ?? [];
    assert.equal(running.length, 3, 'the one that has ended is left out');
    const sum = running.reduce((total, { memory }) => total + Number(memory?.usage_bytes?.value), 0);
    near(linux?.memory?.usage_bytes?.value, sum, 'memory');
    const filter = { pod_sandbox_id: pod.sandboxId };
    const { containers } = await cridock.client.runtime.ListContainers({ filter });
    assert.equal(containers.length, 4);
    assert.ok(Number(linux?.process?.process_count?.value) >= running.length + 1);
  });

  it('lists what the filters name, and all of it without a filter', async () => {
    const { runtime } = cridock.client;
    const [first = ''] = pod.containerIds;
    const ids = async (filter: object): Promise<(string | undefined)[]> =>
      (await runtime.ListContainerStats({ filter })).stats.map(({ attributes }) => attributes?.id);
    assert.deepEqual(await ids({ id: first.slice(0, 12) }), [first]);
    assert.deepEqual(new Set(await ids({ pod_sandbox_id: pod.sandboxId })), new Set(pod.containerIds));
    assert.deepEqual(await ids({ label_selector: { 'io.kubernetes.container.name': 'memory' } }), [first]);
    assert.deepEqual(await ids({ id: first, label_selector: { 'io.kubernetes.container.name': 'cpu' } }), []);
    const all = new Set(await ids({}));
    for (const id of pod.containerIds) assert.ok(all.has(id), 'among those of other pods on this Engine');
    assert.equal((await runtime.ListPodSandboxStats({ filter: { id: 'ffff' } })).stats.length, 0);
  });

  it('streams what it lists', async () => {
    const { runtime, streams } = cridock.client;
    // Of this pod alone: others on this Engine may come and go.
    const ofPod = { filter: { pod_sandbox_id: pod.sandboxId } };
    const thePod = { filter: { id: pod.sandboxId } };
    const streamed: (string | undefined)[] = [];
    for await (const { container_stats: stats } of streams.StreamContainerStats(ofPod)) {
      assert.ok(stats.length > 0);
      streamed.push(...stats.map(({ attributes }) => attributes?.id));
    }
    assert.deepEqual(new Set(streamed), new Set(pod.containerIds));
    for await (const { pod_sandbox_stats: stats } of streams.StreamPodSandboxStats(thePod)) {
      assert.deepEqual(
        stats.map(({ attributes }) => attributes?.id),
        [pod.sandboxId],
      );
    }
    for await (const { containers } of streams.StreamContainers(ofPod)) {
      assert.deepEqual(byId(containers), byId((await runtime.ListContainers(ofPod)).containers));
    }
    for await (const { pod_sandboxes: sandboxes } of streams.StreamPodSandboxes(thePod)) {
      assert.deepEqual(sandboxes, (await runtime.ListPodSandbox(thePod)).items);
    }
    for await (const { images } of streams.StreamImages({})) {
      assert.deepEqual(byId(images), byId((await cridock.client.image.ListImages({})).images));
    }
    for await (const message of streams.StreamContainers({ filter: { id: 'ffff' } })) {
      assert.fail(`nothing matches, but there came ${JSON.stringify(message)}`);
    }
  });

  it('tells metrics as they are described, with a value for each that every machine has', async () => {
    const { descriptors } = await cridock.client.runtime.ListMetricDescriptors({});
    const keys = new Map(descriptors.map(({ name, label_keys: labels }) => [name, labels]));
    const { pod_metrics: pods } = await cridock.client.runtime.ListPodSandboxMetrics({});
    const found = pods.find(({ pod_sandbox_id: id }) => id === pod.sandboxId);
    assert.equal(found?.container_metrics.length, 3);
    const metrics = [...found.metrics, ...found.container_metrics.flatMap((each) => each.metrics)];
    for (const { name, label_values: values } of metrics)
      assert.equal(values.length, keys.get(name)?.length, name);
    const named = new Set(metrics.map(({ name }) => name));
    const without = descriptors.map(({ name }) => name).filter((name) => !named.has(name));
    assert.deepEqual(
      without.filter((name) => !MAY_HAVE_NO_VALUE.test(name)),
      [],
    );
    // Containers come in no given order: the one that holds the memory is known by its labels.
    const memory = metrics.find(
      ({ name, label_values: values }) => name === 'container_memory_rss' && values[2] === 'memory',
    );
    near(memory?.value?.value, 100 * MIB, 'container_memory_rss');
    assert.deepEqual(memory?.label_values.slice(0, 3), ['stats', 'cridock-test', 'memory']);
  });
});

/** Machines differ in block device accounting, huge pages and pressure. */
const MAY_HAVE_NO_VALUE = /^container_(blkio|fs_(reads|writes)|hugetlb|pressure)_/;

/** Lists come in no given order. */
function byId<Item extends { id: string }>(items: readonly Item[]): Item[] {
  return [...items].sort((a, b) => a.id.localeCompare(b.id));
}

/** The size of a container's layer as `du` has it. */
async function layerBytes(engine: DockerodeEngine, id: string): Promise<number> {
  const inspect = await engine.inspectContainer(id);
  const upper =
    inspect.GraphDriver?.Data?.['UpperDir'] ??
    /upperdir=([^,]+)/.exec(
      execFileSync('cat', [`/proc/${inspect.State.Pid}/mountinfo`], { encoding: 'utf8' }),
    )?.[1];
  return Number(execFileSync('du', ['-s', '-B1', upper ?? ''], { encoding: 'utf8' }).split('\t')[0]);
}

/** Nanoseconds of CPU time a second. */
function rateOf(from: CpuSample, to: CpuSample): number {
  return ((to.usageNs - from.usageNs) * 1000) / (to.atMs - from.atMs);
}

/** Neither less than all of these nor more, but for the tolerance. */
function between(actual: Figure, bounds: readonly number[], what: string): void {
  near(actual, Math.min(Math.max(Number(actual), Math.min(...bounds)), Math.max(...bounds)), what);
}

function near(actual: Figure, expected: number, what: string): void {
  const off = Math.abs(Number(actual) - expected) / expected;
  assert.ok(off <= TOLERANCE, `${what}: ${String(actual)} is ${(off * 100).toFixed(1)} % off ${expected}`);
}
