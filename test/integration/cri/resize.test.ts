import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LinuxContainerResources } from '../../../src/gen/runtime/v1/LinuxContainerResources.js';
import { noEngine } from '../../support/cridock-process.js';
import { cgroupValue } from '../../support/process-truth.js';
import { seededRandom } from '../../support/random.js';
import { TestNode, type TestContainer } from '../../support/test-node.js';

const RESIZES = 200;
const CONTAINERS = 4;
const MIB = 1024 * 1024;

/** CPU and memory of running containers go up and down at random; the cgroup files and the status must follow each time. */
describe('in-place resize', { skip: noEngine }, () => {
  const seed = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  let node: TestNode;

  before(async () => {
    node = await TestNode.start(['--log-level=info']);
  });
  after(async () => {
    await node.close();
  });

  it(`follows ${RESIZES} random changes without a restart (CRIDOCK_TEST_SEED=${seed})`, async () => {
    const pod = await node.pod();
    const containers: TestContainer[] = [];
    const limits = new Map<string, Record<string, number>>();
    for (let index = 0; index < CONTAINERS; index += 1) {
      const resources = {
        cpu_shares: 100,
        cpu_period: 100_000,
        cpu_quota: 50_000,
        memory_limit_in_bytes: 64 * MIB,
      };
      const container = await node.start(pod, { resources });
      containers.push(container);
      limits.set(container.id, resources);
    }
    for (let round = 0; round < RESIZES; round += 1) {
      const container = containers[round % CONTAINERS];
      assert.ok(container);
      const change = randomChange();
      const expected = { ...limits.get(container.id), ...change };
      limits.set(container.id, expected);
      await node.runtime.UpdateContainerResources({ container_id: container.id, linux: change });
      assertLimits(container, expected, JSON.stringify(change));
      const { linux } = (await node.status(container.id)).resources ?? {};
      for (const [field, value] of Object.entries(expected)) {
        assert.equal(
          Number(linux?.[field as keyof LinuxContainerResources]),
          value,
          `${field} in the status`,
        );
      }
    }
    for (const { id, pid } of containers) {
      assert.equal((await node.engine.inspectContainer(id)).State.Pid, pid, 'it was not restarted');
    }
  });

  /** A part of the limits or all: memory also below what Docker takes. */
  function randomChange(): Record<string, number> {
    const change: Record<string, number> = {};
    if (random() < 0.6) change['cpu_shares'] = between(2, 4096);
    if (random() < 0.6) change['cpu_quota'] = between(1, 200) * 1000;
    if (random() < 0.6) change['memory_limit_in_bytes'] = between(2, 256) * MIB;
    return Object.keys(change).length > 0 ? change : randomChange();
  }
});

function assertLimits({ pid }: TestContainer, expected: Record<string, number>, message: string): void {
  const files = {
    'cpu.shares': expected['cpu_shares'],
    'cpu.cfs_quota_us': expected['cpu_quota'],
    'cpu.cfs_period_us': expected['cpu_period'],
    'memory.limit_in_bytes': expected['memory_limit_in_bytes'],
    'memory.memsw.limit_in_bytes': expected['memory_limit_in_bytes'],
  };
  for (const [file, value] of Object.entries(files)) {
    assert.equal(Number(cgroupValue(pid, file)), value, `${file} after ${message}`);
  }
}
