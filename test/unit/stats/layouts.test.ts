import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { KernelFiles } from '../../../src/stats/kernel-file.js';
import { UsageProbes, type Probe } from '../../../src/stats/usage-probes.js';
import { afterAnswers } from '../../../src/util/after-answers.js';
import { layOutTree, type KernelTree } from '../../support/kernel-tree.js';

const ID = '1'.repeat(64);
const PID = 4242;

const CGROUPFS_POD = '/kubepods/burstable/pod1';
const SYSTEMD_POD = '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice';

/** What the recorded files say; each fixture tells where it comes from. */
const LAYOUTS = {
  'v1-cgroupfs': {
    path: `${CGROUPFS_POD}/${ID}`,
    cpu: {
      usageNs: 285_543_836,
      userNs: 240_000_000,
      systemNs: 30_000_000,
      periods: 15,
      throttledPeriods: 11,
      throttledNs: 655_059_786,
    },
    memory: {
      figures: {
        usage: 43_679_744,
        workingSet: 43_679_744,
        limit: 67_108_864,
        anonymous: 159_744,
        pageFaults: 1684,
        majorPageFaults: 1,
        swap: { usage: 0, limit: 0 },
      },
      cache: 41_979_904,
      mappedFile: 20_480,
      activeFile: 41_979_904,
      inactiveFile: 0,
      kernel: 1_540_096,
      maxUsage: 45_113_344,
      limitHits: 0,
      oomKills: 0,
      ownPageFaults: 1684,
      ownMajorPageFaults: 1,
    },
    pressure: {
      some: { avg10: 3.03, avg60: 0.76, avg300: 0.16, totalNs: 504_775_000 },
      full: { avg10: 2.91, avg60: 0.73, avg300: 0.16, totalNs: 498_363_000 },
    },
    devices: [{ device: '8:0', readBytes: 1_048_576, writtenBytes: 4096, reads: 16, writes: 1 }],
    processIds: ['9676', '10038'],
    maxThreads: undefined,
    interfaces: ['eth0'],
    openFilesLimit: 20_000,
  },
  'v1-systemd': {
    path: `${SYSTEMD_POD}/docker-${ID}.scope`,
    cpu: {
      usageNs: 5_139_960_475,
      userNs: 2_380_000_000,
      systemNs: 2_750_000_000,
      periods: 255,
      throttledPeriods: 246,
      throttledNs: 23_544_815_537,
    },
    memory: {
      figures: {
        usage: 42_405_888,
        workingSet: 10_948_608,
        limit: 67_108_864,
        anonymous: 118_784,
        pageFaults: 14_675,
        majorPageFaults: 0,
        swap: { usage: 0, limit: 0 },
      },
      cache: 41_943_040,
      mappedFile: 0,
      activeFile: 10_485_760,
      inactiveFile: 31_457_280,
      kernel: 344_064,
      maxUsage: 67_108_864,
      limitHits: 0,
      oomKills: 1,
      ownPageFaults: 14_675,
      ownMajorPageFaults: 0,
    },
    pressure: undefined,
    // The kernel told 0, though 4 MiB had been read past the cache.
    devices: [{ device: '254:0', readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 }],
    processIds: ['363', '405'],
    maxThreads: 100,
    interfaces: [],
    openFilesLimit: 1_048_576,
  },
  'v2-cgroupfs': {
    path: `${CGROUPFS_POD}/${ID}`,
    cpu: {
      usageNs: 11_801_707_000,
      userNs: 5_200_885_000,
      systemNs: 6_600_822_000,
      periods: 507,
      throttledPeriods: 487,
      throttledNs: 50_561_485_000,
    },
    memory: {
      figures: {
        usage: 42_381_312,
        workingSet: 10_924_032,
        limit: 67_108_864,
        anonymous: 114_688,
        pageFaults: 14_673,
        majorPageFaults: 0,
        swap: { usage: 0, limit: 0 },
      },
      cache: 41_943_040,
      mappedFile: 0,
      activeFile: 10_485_760,
      inactiveFile: 31_457_280,
      kernel: 323_584,
      maxUsage: 67_108_864,
      limitHits: 269,
      oomKills: 1,
      ownPageFaults: 14_673,
      ownMajorPageFaults: 0,
    },
    pressure: {
      some: { avg10: 6.38, avg60: 24.56, avg300: 9.97, totalNs: 35_095_284_000 },
      full: { avg10: 6.33, avg60: 24.32, avg300: 9.86, totalNs: 34_702_244_000 },
    },
    devices: [{ device: '254:0', readBytes: 46_137_344, writtenBytes: 41_943_040, reads: 324, writes: 40 }],
    processIds: ['332', '373'],
    maxThreads: 100,
    interfaces: [],
    openFilesLimit: 1_048_576,
  },
  'v2-systemd': {
    path: `${SYSTEMD_POD}/docker-${ID}.scope`,
    cpu: {
      usageNs: 6_499_012_000,
      userNs: 2_436_445_000,
      systemNs: 4_062_567_000,
      periods: 310,
      throttledPeriods: 300,
      throttledNs: 30_708_811_000,
    },
    memory: {
      figures: {
        usage: 42_422_272,
        workingSet: 10_924_032,
        limit: 67_108_864,
        anonymous: 114_688,
        pageFaults: 14_538,
        majorPageFaults: 1,
        swap: { usage: 0, limit: 0 },
      },
      cache: 41_984_000,
      mappedFile: 0,
      activeFile: 10_485_760,
      inactiveFile: 31_498_240,
      kernel: 323_584,
      maxUsage: 67_108_864,
      limitHits: 254,
      oomKills: 1,
      ownPageFaults: 14_538,
      ownMajorPageFaults: 1,
    },
    pressure: {
      some: { avg10: 6.15, avg60: 15.63, avg300: 5.87, totalNs: 20_367_620_000 },
      full: { avg10: 6.07, avg60: 15.42, avg300: 5.79, totalNs: 20_102_316_000 },
    },
    devices: [{ device: '254:0', readBytes: 46_239_744, writtenBytes: 41_943_040, reads: 327, writes: 38 }],
    processIds: ['331', '374'],
    maxThreads: 100,
    interfaces: [],
    openFilesLimit: 1_048_576,
  },
};

interface Opened {
  tree: KernelTree;
  probes: UsageProbes;
  probe: Probe;
}

function open(t: TestContext, layout: string, maxKept = 100): Opened {
  const tree = layOutTree(t, layout);
  const probes = new UsageProbes(new KernelFiles(maxKept), tree.proc);
  probes.track({ id: ID, pid: PID, inPodCgroup: true });
  t.after(() => probes.stop());
  const probe = probes.of(ID);
  assert.ok(probe, 'the cgroup was found');
  return { tree, probes, probe };
}

for (const [layout, expected] of Object.entries(LAYOUTS)) {
  describe(`cgroups laid out as ${layout}`, () => {
    it('finds the cgroup by its id', (t) => {
      assert.equal(open(t, layout).probe.path, expected.path);
    });

    it('reads CPU time, quota and processes', (t) => {
      const { cgroup } = open(t, layout).probe;
      assert.equal(cgroup.cpuUsageNs(), expected.cpu.usageNs);
      assert.deepEqual(cgroup.cpuDetails(), expected.cpu);
      assert.deepEqual(cgroup.processIds(), expected.processIds);
      assert.equal(cgroup.processCount(), 2);
      assert.equal(cgroup.threads(), 2);
      assert.equal(cgroup.maxThreads(), expected.maxThreads);
    });

    it('reads memory, and leaves inactive file pages out of the working set', (t) => {
      const { cgroup } = open(t, layout).probe;
      assert.deepEqual(cgroup.memory(), expected.memory.figures);
      assert.deepEqual(cgroup.memoryDetails(), expected.memory);
    });

    it('reads pressure where the kernel tells it, in nanoseconds', (t) => {
      const { cgroup } = open(t, layout).probe;
      assert.deepEqual(cgroup.pressure('cpu'), expected.pressure);
      assert.deepEqual(cgroup.pressure('cpu'), expected.pressure, 'again, of the same text');
    });

    it('reads the traffic with block devices', (t) => {
      assert.deepEqual(open(t, layout).probe.cgroup.deviceTraffic(), expected.devices);
    });

    it("reads the pod's cgroup, and interfaces and limits of the process", (t) => {
      const { probes, probe } = open(t, layout);
      assert.ok((probe.pod?.cgroup.memory()?.usage ?? 0) > 0);
      assert.ok((probe.pod?.cgroup.cpuUsageNs() ?? 0) > 0);
      assert.deepEqual(
        probes.interfaces(ID).map(({ name }) => name),
        expected.interfaces,
      );
      assert.equal(probes.openFilesLimit(PID), expected.openFilesLimit);
    });

    it('reads the same without descriptors to keep', (t) => {
      const kept = open(t, layout).probe.cgroup.memory();
      assert.deepEqual(open(t, layout, 0).probe.cgroup.memory(), kept);
    });

    it('answers nothing when the cgroup has vanished', (t) => {
      const { tree, probe } = open(t, layout, 0);
      tree.remove('/sys/fs/cgroup');
      assert.equal(probe.cgroup.cpuUsageNs(), undefined);
      assert.equal(probe.cgroup.memory(), undefined);
      assert.equal(probe.cgroup.pressure('cpu'), undefined);
      assert.deepEqual(probe.cgroup.deviceTraffic(), []);
    });

    it('does not take the cgroup of a process that has got the pid since', (t) => {
      const tree = layOutTree(t, layout);
      const probes = new UsageProbes(new KernelFiles(0), tree.proc);
      probes.track({ id: '2'.repeat(64), pid: PID, inPodCgroup: false });
      assert.equal(probes.of('2'.repeat(64)), undefined);
    });
  });
}

describe('samples of CPU time', () => {
  it('fail alone: whoever asks for the statistics of that one is told', async (t) => {
    const tree = layOutTree(t, 'v2-systemd');
    const link = join(tree.proc, String(PID), 'cgroup');
    rmSync(link);
    symlinkSync(link, link); // ELOOP stands for what has nothing to do with the process, such as too many open files
    const probes = new UsageProbes(new KernelFiles(0), tree.proc);
    probes.track({ id: ID, pid: PID, inPodCgroup: true });
    await new Promise<void>(afterAnswers); // by then the first one was taken
    probes.sample();
    assert.throws(() => probes.of(ID), { code: 'ELOOP' });
  });
});

describe('cgroup v2', () => {
  it('reads huge pages', (t) => {
    const { tree, probe } = open(t, 'v2-systemd', 0);
    assert.deepEqual(probe.cgroup.hugePages(), [{ size: '2MB', usage: 0, maxUsage: undefined }]);
    tree.write(`/sys/fs/cgroup${SYSTEMD_POD}/docker-${ID}.scope/hugetlb.2MB.current`, '2097152\n');
    assert.deepEqual(probe.cgroup.hugePages(), [{ size: '2MB', usage: 2_097_152, maxUsage: undefined }]);
  });

  it('takes a process that has moved itself down, as a systemd in a container does, for the container', (t) => {
    const tree = layOutTree(t, 'v2-systemd');
    tree.write(`/proc/${PID}/cgroup`, `0::${SYSTEMD_POD}/docker-${ID}.scope/init.scope\n`);
    const probes = new UsageProbes(new KernelFiles(0), tree.proc);
    probes.track({ id: ID, pid: PID, inPodCgroup: true });
    assert.equal(probes.of(ID)?.path, `${SYSTEMD_POD}/docker-${ID}.scope`);
  });

  it('knows no limit where the file says max', (t) => {
    const { tree, probe } = open(t, 'v2-cgroupfs', 0);
    tree.write(`/sys/fs/cgroup${CGROUPFS_POD}/${ID}/memory.max`, 'max\n');
    tree.write(`/sys/fs/cgroup${CGROUPFS_POD}/${ID}/memory.swap.max`, 'max\n');
    const memory = probe.cgroup.memory();
    assert.equal(memory?.limit, undefined);
    assert.deepEqual(memory?.swap, { usage: 0, limit: undefined });
  });

  it('does without PSI, swap accounting and the full line of older kernels', (t) => {
    const folder = `/sys/fs/cgroup${CGROUPFS_POD}/${ID}`;
    const { tree, probe } = open(t, 'v2-cgroupfs', 0);
    for (const file of ['memory.pressure', 'memory.swap.current']) tree.remove(`${folder}/${file}`);
    tree.write(`${folder}/cpu.pressure`, 'some avg10=1.50 avg60=0.00 avg300=0.00 total=7\n');
    assert.equal(probe.cgroup.pressure('memory'), undefined);
    assert.equal(probe.cgroup.memory()?.swap, undefined);
    assert.deepEqual(probe.cgroup.pressure('cpu'), {
      some: { avg10: 1.5, avg60: 0, avg300: 0, totalNs: 7000 },
      full: undefined,
    });
  });
});
