import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { KernelFiles } from '../../../src/stats/kernel-file.js';
import { UsageProbes, type Probe } from '../../../src/stats/usage-probes.js';
import { layOutTree, type KernelTree } from '../../support/kernel-tree.js';

const ID = '1'.repeat(64);
const PID = 4242;

const CGROUPFS_POD = '/kubepods/burstable/pod1';
const SYSTEMD_POD = '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice';

/** What the recorded container had; the fixtures say where each file comes from. */
const LAYOUTS = {
  'v1-cgroupfs': { path: `${CGROUPFS_POD}/${ID}`, v2: false, pressure: true },
  'v1-systemd': { path: `${SYSTEMD_POD}/docker-${ID}.scope`, v2: false, pressure: false },
  'v2-cgroupfs': { path: `${CGROUPFS_POD}/${ID}`, v2: true, pressure: true },
  'v2-systemd': { path: `${SYSTEMD_POD}/docker-${ID}.scope`, v2: true, pressure: true },
} as const;

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
      assert.equal(cgroup.cpuUsageNs(), expected.v2 ? 285_543_000 : 285_543_836);
      const details = cgroup.cpuDetails();
      assert.equal(details?.periods, 15);
      assert.equal(details.throttledPeriods, 11);
      assert.equal(Math.round(details.throttledNs / 1e6), 655);
      assert.equal(details.userNs, expected.v2 ? 245_801_000 : 240_000_000);
      assert.deepEqual(cgroup.processIds(), ['9676', '10038']);
      assert.equal(cgroup.processCount(), 2);
      assert.equal(cgroup.threads(), 2);
      assert.equal(cgroup.maxThreads(), expected.v2 ? 100 : undefined);
    });

    it('reads memory, and leaves inactive file pages out of the working set', (t) => {
      const { cgroup } = open(t, layout).probe;
      const memory = cgroup.memory();
      assert.deepEqual(memory, {
        usage: 43_679_744,
        workingSet: expected.v2 ? 43_679_744 - 31_457_280 : 43_679_744,
        limit: 67_108_864,
        anonymous: 159_744,
        pageFaults: 1684,
        majorPageFaults: 1,
        swap: expected.v2 ? { usage: 8192, limit: 1_048_576 } : { usage: 0, limit: 0 },
      });
      const details = cgroup.memoryDetails();
      assert.equal(details?.cache, 41_979_904);
      assert.equal(details.mappedFile, 20_480);
      assert.equal(details.kernel, 1_540_096);
      assert.equal(details.maxUsage, 45_113_344);
      assert.equal(details.limitHits, expected.v2 ? 3 : 0);
      assert.equal(details.oomKills, expected.v2 ? 1 : 0);
    });

    it('reads pressure where the kernel tells it, in nanoseconds', (t) => {
      const pressure = open(t, layout).probe.cgroup.pressure('cpu');
      const line = { avg10: 3.03, avg60: 0.76, avg300: 0.16, totalNs: 504_775_000 };
      assert.deepEqual(pressure?.some, expected.pressure ? line : undefined);
      assert.equal(pressure?.full?.totalNs, expected.pressure ? 498_363_000 : undefined);
    });

    it('reads the traffic with block devices', (t) => {
      assert.deepEqual(open(t, layout).probe.cgroup.deviceTraffic(), [
        { device: '8:0', readBytes: 1_048_576, writtenBytes: 4096, reads: 16, writes: 1 },
      ]);
    });

    it("reads the pod's cgroup, and interfaces and limits of the process", (t) => {
      const { probes, probe } = open(t, layout);
      assert.ok((probe.pod?.cgroup.memory()?.usage ?? 0) > 0);
      assert.ok((probe.pod?.cgroup.cpuUsageNs() ?? 0) > 0);
      assert.deepEqual(
        probes.interfaces(ID).map(({ name }) => name),
        ['eth0'],
      );
      assert.equal(probes.openFilesLimit(PID), 20_000);
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

describe('cgroup v2', () => {
  it('reads huge pages', (t) => {
    const { cgroup } = open(t, 'v2-systemd').probe;
    assert.deepEqual(cgroup.hugePages(), [{ size: '2MB', usage: 2_097_152, maxUsage: undefined }]);
  });

  it('knows no limit where the file says max', (t) => {
    const { tree, probe } = open(t, 'v2-cgroupfs', 0);
    tree.write(`/sys/fs/cgroup${CGROUPFS_POD}/${ID}/memory.max`, 'max\n');
    tree.write(`/sys/fs/cgroup${CGROUPFS_POD}/${ID}/memory.swap.max`, 'max\n');
    const memory = probe.cgroup.memory();
    assert.equal(memory?.limit, undefined);
    assert.deepEqual(memory?.swap, { usage: 8192, limit: undefined });
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
