import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PsiStats__Output } from '../../../../src/gen/runtime/v1/PsiStats.js';
import { noEngine } from '../../../support/cridock-process.js';
import { cgroupValue, removeCgroup } from '../../../support/process-truth.js';
import { refusal, TestNode, type TestContainer, type TestPod } from '../../../support/test-node.js';

const MIB = 1024 * 1024;
const CGROUP = `/cridock-test-figures-${process.pid}`;
/** Whether the kernel keeps figures of pressure for cgroups: with version 2, also beside version 1. */
const HAS_PRESSURE =
  existsSync('/proc/pressure/cpu') &&
  ['', 'unified/'].some((folder) => existsSync(`/sys/fs/cgroup/${folder}cgroup.controllers`));

/** What the tests of the figures' truth (integration/stats) leave out: the rest of the fields. */
describe('figures, metrics, events and what is not implemented', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let container: TestContainer;
  const annotations = { 'the/annotation': 'of the container' };
  const labels = { the: 'label' };

  before(async () => {
    node = await TestNode.start();
    // Only a pod with a cgroup of its own has pressure of its own.
    pod = await node.pod({ linux: { cgroup_parent: CGROUP } });
    const resources = { memory_limit_in_bytes: 64 * MIB, memory_swap_limit_in_bytes: 80 * MIB };
    container = await node.start(pod, { resources, labels, annotations });
  });
  after(async () => {
    await node.close();
    removeCgroup(CGROUP);
  });

  const stats = async () => {
    const { stats: own } = await node.runtime.ContainerStats({ container_id: container.id });
    const { stats: pods } = await node.runtime.PodSandboxStats({ pod_sandbox_id: pod.id });
    assert.ok(own && pods?.linux);
    return { own, pod: pods };
  };

  it('attributes: id, metadata, labels and annotations of the container and of the pod', async () => {
    const { own, pod: ofPod } = await stats();
    const { metadata } = await node.status(container.id);
    assert.deepEqual(own.attributes, { id: container.id, metadata, labels, annotations });
    const { metadata: identity, labels: podLabels, annotations: podAnnotations } = pod.config;
    assert.deepEqual(ofPod.attributes, {
      id: pod.id,
      metadata: identity,
      labels: podLabels,
      annotations: podAnnotations,
    });
    assert.equal(ofPod.windows, null);
  });

  it('timestamp: every figure has one, of now', async () => {
    const beforeNs = BigInt(Date.now() - 60_000) * 1_000_000n;
    const { own, pod: ofPod } = await stats();
    const { linux } = ofPod;
    const figures = { ...own, attributes: null, io: null, ...linux, containers: null };
    const dated = [
      own.cpu,
      own.memory,
      own.swap,
      figures.cpu,
      figures.memory,
      linux?.network,
      linux?.process,
    ];
    for (const figure of dated) assert.ok(BigInt(figure?.timestamp ?? 0) > beforeNs);
    assert.ok(BigInt(own.writable_layer?.timestamp ?? beforeNs + 1n) > beforeNs);
  });

  it('major_page_faults, swap_usage_bytes and swap_available_bytes are those of the cgroup', async () => {
    const { own } = await stats();
    const text = cgroupValue(container.pid, 'memory.stat');
    const [, faults] = /^total_pgmajfault (\d+)$/m.exec(text) ?? [];
    assert.equal(own.memory?.major_page_faults?.value, faults);
    assert.equal(own.swap?.swap_usage_bytes?.value, '0');
    assert.equal(own.swap.swap_available_bytes?.value, String(16 * MIB));
  });

  it('rx_bytes, rx_errors, tx_bytes, tx_errors are those of the interface', async () => {
    const line = readFileSync(`/proc/${pod.pid}/net/dev`, 'utf8')
      .split('\n')
      .find((text) => text.trim().startsWith('eth0:'));
    const numbers = (line ?? '').split(':')[1]?.trim().split(/\s+/).map(Number) ?? [];
    const { linux } = (await stats()).pod;
    const { rx_bytes, rx_errors, tx_bytes, tx_errors } = linux?.network?.default_interface ?? {};
    // A packet may come in between.
    for (const [told, index] of [
      [rx_bytes, 0],
      [tx_bytes, 8],
    ] as const) {
      const difference = Number(told?.value) - (numbers[index] ?? NaN);
      assert.ok(difference >= 0 && difference < 10_000, String(difference));
    }
    assert.deepEqual([rx_errors?.value, tx_errors?.value], [String(numbers[2]), String(numbers[10])]);
  });

  it('psi of cpu, memory and io: where the kernel has it, else unset', async () => {
    const { own, pod: ofPod } = await stats();
    for (const figures of [own, ofPod.linux]) {
      const all = [figures?.cpu?.psi, figures?.memory?.psi, figures?.io?.psi];
      if (HAS_PRESSURE) for (const psi of all) assertPressure(psi);
      else assert.ok(all.every((psi) => psi === null || psi === undefined));
    }
  });

  it('metrics: help, metric_type and value, listed and streamed as pod_sandbox_metrics', async () => {
    const { descriptors } = await node.runtime.ListMetricDescriptors({});
    assert.ok(descriptors.every(({ help, name }) => help.length > 0 && name.startsWith('container_')));
    const { pod_metrics: listed } = await node.runtime.ListPodSandboxMetrics({});
    const streamed: string[] = [];
    for await (const { pod_sandbox_metrics: some } of node.cridock.client.streams.StreamPodSandboxMetrics({}))
      streamed.push(...some.map(({ pod_sandbox_id: id }) => id));
    assert.deepEqual(
      streamed,
      listed.map(({ pod_sandbox_id: id }) => id),
    );
    const own = listed.find(({ pod_sandbox_id: id }) => id === pod.id)?.container_metrics[0];
    assert.equal(own?.container_id, container.id);
    const metric = (name: string) => own.metrics.find((each) => each.name === name);
    assert.equal(metric('container_cpu_usage_seconds_total')?.metric_type, 0, 'a counter');
    const limit = metric('container_spec_memory_limit_bytes');
    assert.deepEqual([limit?.metric_type, limit?.value?.value], [1, String(64 * MIB)], 'a gauge');
    assert.match(limit?.timestamp ?? '', /^\d+$/);
  });

  it('events: created_at, pod_sandbox_status and containers_statuses', async () => {
    const stream = node.cridock.client.streams.GetContainerEvents({});
    await stream.opened;
    const beforeNs = BigInt(Date.now()) * 1_000_000n;
    const { id } = await node.start(pod);
    for await (const event of stream) {
      if (event.container_id !== id) continue;
      assert.ok(BigInt(event.created_at) >= beforeNs - 1_000_000_000n, event.created_at);
      assert.equal(event.pod_sandbox_status?.id, pod.id);
      assert.ok(event.containers_statuses.some((status) => status.id === id));
      break;
    }
  });

  it('checkpoints of pods are refused where there is no folder for them, or restores are switched off', async () => {
    const folder = join(node.cridock.directory, 'checkpoint');
    const calls = [
      node.runtime.CheckpointPod({
        pod_sandbox_id: pod.id,
        output_path: folder,
        container_ids: [container.id],
        options: {},
      }),
      node.runtime.RestorePod({
        checkpoint_path: folder,
        config: pod.config,
        runtime_handler: '',
        options: {},
        container_configs: [],
      }),
    ];
    const codes = await Promise.all(calls.map(async (call) => (await refusal(call)).code));
    assert.deepEqual(codes, ['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);
    assert.equal(existsSync(folder), false);
  });
});

function assertPressure(psi: PsiStats__Output | null | undefined): void {
  for (const data of [psi?.Some, psi?.Full]) {
    assert.ok(data && BigInt(data.Total) >= 0n);
    for (const average of [data.Avg10, data.Avg60, data.Avg300]) assert.ok(average >= 0 && average <= 100);
  }
}
