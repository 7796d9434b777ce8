import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LinuxContainerResources } from '../../../../src/gen/runtime/v1/LinuxContainerResources.js';
import { noEngine } from '../../../support/cridock-process.js';
import { untilAnswered } from '../../../support/pod-worker.js';
import { cgroupValue, oomScoreAdjOf } from '../../../support/process-truth.js';
import { refusal, TestNode, type TestContainer, type TestPod } from '../../../support/test-node.js';

const MIB = 1024 * 1024;
const NO_MEMORY_LIMIT = '9223372036854771712';

describe('resources of a container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });
  after(async () => {
    await node.close();
  });

  const update = (id: string, linux: LinuxContainerResources) =>
    node.runtime.UpdateContainerResources({ container_id: id, linux });
  const told = async (id: string) => (await node.status(id)).resources?.linux;
  const memory = ({ pid }: TestContainer) => cgroupValue(pid, 'memory.limit_in_bytes');
  const heldFiles = () => readdirSync(join(node.cridock.directory, 'root/limits'));

  it('cpu_period, cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems, memory_limit_in_bytes, oom_score_adj', async () => {
    const resources = {
      cpu_period: 50_000,
      cpu_quota: 25_000,
      cpu_shares: 512,
      cpuset_cpus: '0',
      cpuset_mems: '0',
      memory_limit_in_bytes: 64 * MIB,
      oom_score_adj: 321,
    };
    const { id, pid } = await node.start(pod, { resources });
    const values = ['cpu.cfs_period_us', 'cpu.cfs_quota_us', 'cpu.shares', 'cpuset.cpus', 'cpuset.mems'];
    assert.deepEqual(
      values.map((file) => cgroupValue(pid, file)),
      ['50000', '25000', '512', '0', '0'],
    );
    assert.equal(cgroupValue(pid, 'memory.limit_in_bytes'), String(64 * MIB));
    assert.equal(oomScoreAdjOf(pid), 321);
    const linux = await told(id);
    for (const [field, value] of Object.entries(resources)) {
      assert.equal(Number(linux?.[field as keyof typeof resources]), Number(value), field);
    }
  });

  it('memory_swap_limit_in_bytes: none beside a limit unless asked for', async () => {
    const withSwap = ({ pid }: TestContainer) => cgroupValue(pid, 'memory.memsw.limit_in_bytes');
    const limited = await node.start(pod, { resources: { memory_limit_in_bytes: 64 * MIB } });
    assert.equal(withSwap(limited), String(64 * MIB));
    assert.equal((await told(limited.id))?.memory_swap_limit_in_bytes, String(64 * MIB));
    await update(limited.id, { memory_swap_limit_in_bytes: 80 * MIB });
    assert.equal(withSwap(limited), String(80 * MIB));
    await update(limited.id, { memory_limit_in_bytes: 32 * MIB });
    assert.equal(withSwap(limited), String(48 * MIB), 'the amount of swap stays');
    await update(limited.id, { memory_swap_limit_in_bytes: -1 });
    assert.ok(BigInt(withSwap(limited)) >= 2n ** 52n);
    assert.equal((await told(limited.id))?.memory_swap_limit_in_bytes, '-1');
    const unlimited = await node.start(pod, {
      resources: { memory_limit_in_bytes: 64 * MIB, memory_swap_limit_in_bytes: -1 },
    });
    assert.equal(withSwap(unlimited), NO_MEMORY_LIMIT);
  });

  it('memory_limit_in_bytes below 6 MiB, which Docker refuses', async () => {
    const container = await node.start(pod, { resources: { memory_limit_in_bytes: 4 * MIB } });
    assert.equal(memory(container), String(4 * MIB));
    assert.equal((await told(container.id))?.memory_limit_in_bytes, String(4 * MIB));
    await update(container.id, { cpu_shares: 100 }); // which makes the OCI runtime set all that it knows
    assert.equal(memory(container), String(4 * MIB));
    assert.equal(cgroupValue(container.pid, 'cpu.shares'), '100');
    await update(container.id, { memory_limit_in_bytes: 5 * MIB });
    assert.equal(memory(container), String(5 * MIB));
    await update(container.id, { memory_limit_in_bytes: 32 * MIB });
    assert.equal(memory(container), String(32 * MIB));
    assert.equal((await told(container.id))?.memory_limit_in_bytes, String(32 * MIB));
  });

  it('UpdateContainerResources lifts limits', async () => {
    const container = await node.start(pod, {
      resources: { memory_limit_in_bytes: 32 * MIB, cpu_quota: 20_000, cpu_period: 100_000 },
    });
    await update(container.id, { memory_limit_in_bytes: -1, cpu_quota: -1 });
    assert.equal(memory(container), NO_MEMORY_LIMIT);
    assert.equal(cgroupValue(container.pid, 'cpu.cfs_quota_us'), '-1');
    assert.equal((await told(container.id))?.memory_limit_in_bytes, '0');
    await update(container.id, { cpu_shares: 100 });
    assert.equal(memory(container), NO_MEMORY_LIMIT);
    await update(container.id, { memory_limit_in_bytes: 32 * MIB });
    assert.equal(memory(container), String(32 * MIB));
  });

  it('UpdateContainerResources leaves what it does not name', async () => {
    const container = await node.start(pod, {
      resources: { memory_limit_in_bytes: 32 * MIB, cpu_shares: 300, cpuset_cpus: '0' },
    });
    await update(container.id, { cpuset_cpus: '0-1' });
    assert.equal(cgroupValue(container.pid, 'cpuset.cpus'), '0-1');
    assert.equal(memory(container), String(32 * MIB));
    assert.equal(cgroupValue(container.pid, 'cpu.shares'), '300');
  });

  it('UpdateContainerResources sets oom_score_adj of the running processes', async () => {
    const container = await node.start(pod, { resources: { oom_score_adj: 100 } });
    await update(container.id, { oom_score_adj: 700 });
    assert.equal(oomScoreAdjOf(container.pid), 700);
    assert.equal((await told(container.id))?.oom_score_adj, '700');
    const linux = { cpu_shares: 100 };
    await node.runtime.UpdateContainerResources({
      container_id: container.id,
      linux,
      annotations: { a: 'b' },
    });
    const { annotations, resources } = await node.status(container.id);
    assert.equal(annotations['a'], undefined, 'annotations say nothing to Docker');
    assert.equal(resources?.windows, null);
    assert.equal((await told(container.id))?.oom_score_adj, '700');
  });

  it('UpdateContainerResources of a created container holds from its start, over a restart of cridock', async () => {
    const id = await node.create(pod, { resources: { memory_limit_in_bytes: 64 * MIB } });
    await update(id, { memory_limit_in_bytes: 4 * MIB, oom_score_adj: 555 });
    await node.cridock.kill9();
    await node.cridock.restart();
    await untilAnswered(() => node.runtime.StartContainer({ container_id: id }));
    const pid = (await node.engine.inspectContainer(id)).State.Pid;
    assert.equal(memory({ id, pid }), String(4 * MIB));
    assert.equal(oomScoreAdjOf(pid), 555);
    assert.equal((await told(id))?.memory_limit_in_bytes, String(4 * MIB));
  });

  it('an update that the kernel refuses changes nothing', async () => {
    const container = await node.start(pod, {
      resources: { memory_limit_in_bytes: 32 * MIB, cpu_shares: 300 },
    });
    const { code } = await refusal(
      update(container.id, {
        cpu_shares: 400,
        memory_limit_in_bytes: 48 * MIB,
        hugepage_limits: [{ page_size: '2MB', limit: 2 * MIB }],
      }),
    );
    assert.equal(code, 'FAILED_PRECONDITION');
    assert.equal(memory(container), String(32 * MIB));
    assert.equal(cgroupValue(container.pid, 'cpu.shares'), '300');
    assert.deepEqual((await told(container.id))?.hugepage_limits, []);
  });

  it('hugepage_limits of zero are taken, others need the controller', async () => {
    const zero = [
      { page_size: '2MB', limit: 0 },
      { page_size: '1GB', limit: 0 },
    ];
    const container = await node.start(pod, { resources: { hugepage_limits: zero } });
    assert.deepEqual(
      (await told(container.id))?.hugepage_limits,
      zero.map(({ page_size }) => ({ page_size, limit: '0' })),
    );
    assert.ok(!heldFiles().includes(container.id), 'what the label tells needs no file');
    const id = await node.create(pod, {
      resources: { hugepage_limits: [{ page_size: '2MB', limit: 2 * MIB }] },
    });
    const { code, text } = await refusal(node.runtime.StartContainer({ container_id: id }));
    assert.equal(code, 'FAILED_PRECONDITION');
    assert.match(text, /hugetlb\.2MB/);
    await node.ended(id); // it does not go on without its limit
  });

  it('unified is refused on cgroup v1', async () => {
    const { code, text } = await refusal(
      node.create(pod, { resources: { unified: { 'memory.oom.group': '1' } } }),
    );
    assert.equal(code, 'INVALID_ARGUMENT');
    assert.match(text, /unified/);
  });

  it('a removed container leaves no file', async () => {
    const { id } = await node.start(pod, { resources: { memory_limit_in_bytes: 64 * MIB } });
    await update(id, { oom_score_adj: 100 });
    assert.ok(heldFiles().includes(id));
    await node.runtime.RemoveContainer({ container_id: id });
    assert.ok(!heldFiles().includes(id));
  });
});

describe('resources of a pod', { skip: noEngine }, () => {
  it('overhead and resources are noted, at the start and by UpdatePodSandboxResources', async () => {
    const node = await TestNode.start();
    try {
      const linux = { overhead: { cpu_shares: 12 }, resources: { cpu_shares: 300 } };
      const pod = await node.pod({ linux });
      const info = async (): Promise<Record<string, { cpu_shares: string } | undefined>> => {
        const { info: verbose } = await node.runtime.PodSandboxStatus({
          pod_sandbox_id: pod.id,
          verbose: true,
        });
        return JSON.parse(verbose['info'] ?? '') as Record<string, { cpu_shares: string } | undefined>;
      };
      assert.equal((await info())['overhead']?.cpu_shares, '12');
      assert.equal((await info())['resources']?.cpu_shares, '300');
      await node.runtime.UpdatePodSandboxResources({
        pod_sandbox_id: pod.id,
        resources: { cpu_shares: 600 },
      });
      await node.cridock.restart();
      assert.equal((await info())['overhead']?.cpu_shares, '12');
      assert.equal((await info())['resources']?.cpu_shares, '600');
      const unknown = node.runtime.UpdatePodSandboxResources({ pod_sandbox_id: 'f'.repeat(64) });
      assert.equal((await refusal(unknown)).code, 'NOT_FOUND');
    } finally {
      await node.close();
    }
  });
});
