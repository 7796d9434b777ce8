import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cgroupWrites } from '../../../../src/convert/limits/cgroup-writes.js';
import { memoryInForce } from '../../../../src/convert/limits/memory-limits.js';
import { NO_NODE_LIMITS } from '../../../../src/convert/limits/node-limits.js';
import { createResources, criResources, updateResources } from '../../../../src/convert/limits/resources.js';
import { containerResources } from '../decoded.js';
import type { HostConfig } from '../../../../src/docker/types.js';
import { assertRefused } from '../refusals.js';

const MIB = 1024 * 1024;
type Asked = ReturnType<typeof containerResources>;
const create = (asked: Asked | null) => createResources(asked, 1).docker;
const update = (asked: Asked, current: HostConfig = {}) =>
  updateResources(asked, 1, memoryInForce(current, [])).docker;

describe('resources', () => {
  it('are left out where they are not set', () => {
    assert.deepEqual(create(null), {});
    assert.deepEqual(create(containerResources()), {});
    assert.deepEqual(update(containerResources({ cpuset_cpus: '0-1,3' })), { CpusetCpus: '0-1,3' });
  });

  it('come as asked', () => {
    const asked = containerResources({
      cpu_period: 100_000,
      cpu_quota: -1,
      cpu_shares: 512,
      cpuset_mems: '0',
      memory_limit_in_bytes: 64 * MIB,
      memory_swap_limit_in_bytes: 96 * MIB,
    });
    const expected = {
      CpuPeriod: 100_000,
      CpuQuota: -1,
      CpuShares: 512,
      CpusetMems: '0',
      Memory: 64 * MIB,
      MemorySwap: 96 * MIB,
    };
    assert.deepEqual(create(asked), expected);
    assert.deepEqual(update(asked), expected);
    const told = criResources({ ...expected, OomScoreAdj: 5 }, NO_NODE_LIMITS);
    assert.equal(told.memory_limit_in_bytes, 64 * MIB);
    assert.equal(told.oom_score_adj, 5);
  });

  it('have no swap beside a memory limit, unless it is asked for', () => {
    const limit = { memory_limit_in_bytes: 64 * MIB };
    const swapOf = (change: object) =>
      createResources(containerResources({ ...limit, ...change }), 2).docker.MemorySwap;
    assert.equal(swapOf({}), 64 * MIB);
    assert.equal(swapOf({ memory_swap_limit_in_bytes: -1 }), -1);
    assert.equal(swapOf({ unified: { 'memory.swap.max': String(16 * MIB) } }), 80 * MIB);
    assert.equal(swapOf({ unified: { 'memory.swap.max': 'max' } }), -1);
  });

  it('are refused by name where they are malformed', () => {
    const refuse = (change: object, field: string) => {
      assertRefused(() => create(containerResources(change)), `config.linux.resources.${field}`);
      assertRefused(() => update(containerResources(change)), `linux.${field}`);
    };
    refuse({ memory_limit_in_bytes: -5 }, 'memory_limit_in_bytes');
    refuse({ memory_limit_in_bytes: '9223372036854775807' }, 'memory_limit_in_bytes');
    refuse({ memory_swap_limit_in_bytes: MIB }, 'memory_swap_limit_in_bytes');
    const lessSwap = { memory_limit_in_bytes: 64 * MIB, memory_swap_limit_in_bytes: 32 * MIB };
    refuse(lessSwap, 'memory_swap_limit_in_bytes');
    refuse({ cpu_shares: -1 }, 'cpu_shares');
    refuse({ cpu_period: -1 }, 'cpu_period');
    refuse({ cpu_quota: -2 }, 'cpu_quota');
    refuse({ cpuset_cpus: 'all' }, 'cpuset_cpus');
    refuse({ cpuset_mems: '1-' }, 'cpuset_mems');
  });
});

describe('memory that Docker does not take', () => {
  const limit = (bytes: number, swap = 0) =>
    containerResources({ memory_limit_in_bytes: bytes, memory_swap_limit_in_bytes: swap });
  const write = (file: string, value: string | number, required: boolean) => ({
    file,
    value: String(value),
    required,
  });

  it('is written where the limit is below 6 MiB', () => {
    assert.deepEqual(createResources(limit(4 * MIB, 5 * MIB), 1), {
      docker: { Memory: 6 * MIB, MemorySwap: 7 * MIB },
      writes: [
        write('memory.limit_in_bytes', 4 * MIB, true),
        write('memory.memsw.limit_in_bytes', 5 * MIB, false),
      ],
    });
    const v2 = createResources(limit(4 * MIB, 5 * MIB), 2);
    assert.deepEqual(v2.writes, [write('memory.max', 4 * MIB, true), write('memory.swap.max', MIB, false)]);
    const told = criResources(v2.docker, { cgroup: v2.writes });
    assert.equal(told.memory_limit_in_bytes, 4 * MIB);
    assert.equal(told.memory_swap_limit_in_bytes, 5 * MIB);
  });

  it('is lifted with -1', () => {
    const lifted = updateResources(limit(-1), 1, { memory: 64 * MIB, withSwap: 64 * MIB });
    assert.deepEqual(lifted.writes, [
      write('memory.memsw.limit_in_bytes', -1, false),
      write('memory.limit_in_bytes', -1, true),
    ]);
    const told = criResources(lifted.docker, { cgroup: lifted.writes });
    assert.equal(told.memory_limit_in_bytes, 0);
    assert.deepEqual(updateResources(limit(-1), 1, { memory: 0, withSwap: 0 }), { docker: {}, writes: [] });
    assert.deepEqual(update(limit(8 * MIB), lifted.docker), { Memory: 8 * MIB, MemorySwap: 8 * MIB });
  });

  it('keeps its amount of swap in an update that does not name it', () => {
    const current = { Memory: 64 * MIB, MemorySwap: 80 * MIB };
    assert.deepEqual(update(limit(32 * MIB), current), { Memory: 32 * MIB, MemorySwap: 48 * MIB });
    // Docker's update passes over -1.
    assert.deepEqual(update(limit(32 * MIB), { ...current, MemorySwap: -1 }), {
      Memory: 32 * MIB,
      MemorySwap: 2 ** 52,
    });
    assert.deepEqual(update(limit(0, 96 * MIB), current), { Memory: 64 * MIB, MemorySwap: 96 * MIB });
    assert.deepEqual(update(limit(32 * MIB), {}), { Memory: 32 * MIB, MemorySwap: 32 * MIB });
  });
});

describe('cgroupWrites', () => {
  const asked = containerResources({
    unified: { 'memory.oom.group': '1' },
    hugepage_limits: [
      { page_size: '2MB', limit: 4 * MIB },
      { page_size: '1GB', limit: 0 },
    ],
  });

  it('writes what Docker has no member for', () => {
    assert.deepEqual(cgroupWrites('linux', asked, 2), [
      { file: 'memory.oom.group', value: '1', required: true, raw: true },
      { file: 'hugetlb.2MB.max', value: String(4 * MIB), required: true },
      { file: 'hugetlb.1GB.max', value: '0', required: false },
    ]);
    assert.deepEqual(cgroupWrites('linux', null, 2), []);
    const hugePages = containerResources({ hugepage_limits: [{ page_size: '2MB', limit: 0 }] });
    assert.equal(cgroupWrites('linux', hugePages, 1)[0]?.file, 'hugetlb.2MB.limit_in_bytes');
  });

  it('refuses raw keys on cgroup v1, and what is no file name', () => {
    assertRefused(() => cgroupWrites('linux', asked, 1), 'linux.unified["memory.oom.group"]');
    for (const key of ['../memory.max', 'a/b.c', '', 'cgroup', 'memory.\n']) {
      const resources = containerResources({ unified: { [key]: '1' } });
      assertRefused(() => cgroupWrites('linux', resources, 2), `linux.unified[${JSON.stringify(key)}]`);
    }
    const pages = containerResources({ hugepage_limits: [{ page_size: '../2MB', limit: 1 }] });
    assertRefused(() => cgroupWrites('linux', pages, 2), 'linux.hugepage_limits[0].page_size');
  });
});
