import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { until } from '../support/until.js';
import { runNodePod } from './node-pod.js';
import type { NodePod } from './node-pod.js';
import { AT_LAST_MS, cgroupOf, figuresOnNode, noNode, onNode, onlyInFull, pidOf } from './node.js';

const MIB = 1024 * 1024;
/** As many as the time of a run allows: what is wrong once in a while shows in many only. */
const OOM_KILLS = onlyInFull === false ? 30 : 1;

/** Every figure that a stats reply must agree with, of a cgroup's files. */
const READ_FIGURES = [
  'echo cpu $(sed -n "s/^usage_usec //p" cpu.stat)',
  'echo usage $(cat memory.current)',
  'echo inactive $(sed -n "s/^inactive_file //p" memory.stat)',
  'echo anon $(sed -n "s/^anon //p" memory.stat)',
  'for kind in cpu memory io; do for part in some full; do echo $kind.$part $(sed -n "s/^$part .*total=//p" $kind.pressure); done; done',
].join('; ');

describe('limits and statistics under systemd and cgroup v2', { skip: noNode }, () => {
  let pod: NodePod;
  before(async () => void (pod = await runNodePod('limits')));
  after(() => pod.remove());

  it("puts containers into the pod's slice as the kubelet names it", async () => {
    const id = await pod.start('sliced', 'sleep 100000 & wait');
    assert.equal(await cgroupOf(id), `/sys/fs/cgroup${pod.slice}/docker-${id}.scope`);
    assert.equal(await cgroupOf(pod.id), `/sys/fs/cgroup${pod.slice}/docker-${pod.id}.scope`);
  });

  it('gives the OOM scores that are asked for, below zero too', async () => {
    const id = await pod.start('scored', 'sleep 100000 & wait', {
      linux: { resources: { oom_score_adj: '-500' } },
    });
    assert.equal((await onNode(`cat /proc/${await pidOf(id)}/oom_score_adj`)).trim(), '-500');
    assert.equal((await onNode(`cat /proc/${await pidOf(pod.id)}/oom_score_adj`)).trim(), '-998');
  });

  it('resizes a container while it runs', async () => {
    const id = await pod.start('resized', 'sleep 100000 & wait', {
      linux: {
        resources: { cpu_period: '100000', cpu_quota: '50000', memory_limit_in_bytes: String(64 * MIB) },
      },
    });
    const folder = await cgroupOf(id);
    const read = async () =>
      (await onNode(`cd ${folder}; cat cpu.max memory.max pids.max`)).trim().split('\n');
    assert.deepEqual((await read()).slice(0, 2), ['50000 100000', String(64 * MIB)]);
    await pod.client.runtime.UpdateContainerResources({
      container_id: id,
      linux: { cpu_period: '100000', cpu_quota: '80000', memory_limit_in_bytes: String(96 * MIB) },
    });
    assert.deepEqual((await read()).slice(0, 2), ['80000 100000', String(96 * MIB)]);
    const { status } = await pod.client.runtime.ContainerStatus({ container_id: id });
    assert.equal(status?.resources?.linux?.memory_limit_in_bytes, String(96 * MIB));
    assert.equal(status.resources.linux.cpu_quota, '80000');
  });

  it('ends all processes of a container whose memory.oom.group is set', async () => {
    const id = await pod.start(
      'grouped',
      'until [ -e /full ]; do sleep 0.2; done; tail /dev/zero & wait $!; sleep 100000 & wait',
      {
        linux: {
          resources: { memory_limit_in_bytes: String(32 * MIB), unified: { 'memory.oom.group': '1' } },
        },
      },
    );
    assert.equal((await onNode(`cat ${await cgroupOf(id)}/memory.oom.group`)).trim(), '1');
    await pod.client.runtime.ExecSync({ container_id: id, cmd: ['touch', '/full'] });
    const status = async () => (await pod.client.runtime.ContainerStatus({ container_id: id })).status;
    await until(
      'the end',
      async () => (await status())?.state === ContainerState.CONTAINER_EXITED,
      AT_LAST_MS,
    );
    const { reason, exit_code: exitCode } = (await status()) ?? {};
    assert.deepEqual([reason, exitCode], ['OOMKilled', 137]);
  });

  it('tells why each of them was killed that ran out of memory', async () => {
    const limits = { linux: { resources: { memory_limit_in_bytes: String(32 * MIB) } } };
    const status = async (id: string) =>
      (await pod.client.runtime.ContainerStatus({ container_id: id })).status;
    for (let number = 0; number < OOM_KILLS; number += 1) {
      const id = await pod.start(`killed-${number}`, 'exec tail /dev/zero', limits);
      await until(
        'the end',
        async () => (await status(id))?.state === ContainerState.CONTAINER_EXITED,
        AT_LAST_MS,
      );
      // The kubelet reads it once.
      const { reason, exit_code: exitCode } = (await status(id)) ?? {};
      assert.deepEqual([reason, exitCode], ['OOMKilled', 137], `container ${number}`);
    }
  });

  it("tells what the kernel's files say at the same instant, pressure included", async () => {
    // Work for each figure first; then the container rests, and its figures with it.
    const id = await pod.start(
      'measured',
      'head -c 20000000 /dev/urandom >/file; cat /file | md5sum; sleep 100000 & wait',
    );
    const folder = await cgroupOf(id);
    const kernel = () => figuresOnNode(`cd ${folder}; ${READ_FIGURES}`);
    await until(
      'the work to be done',
      async () => {
        return (await onNode(`cat ${pod.logs}/measured/0.log 2>/dev/null || true`)).includes('  -');
      },
      AT_LAST_MS,
    );
    await until(
      'figures that rest while they are read',
      async () => {
        const earlier = await kernel();
        const { stats } = await pod.client.runtime.ContainerStats({ container_id: id });
        const later = await kernel();
        if ([...earlier].some(([name, value]) => later.get(name) !== value)) return false;
        const told = {
          cpu: Number(stats?.cpu?.usage_core_nano_seconds?.value) / 1000,
          usage: Number(stats?.memory?.usage_bytes?.value),
          workingSet: Number(stats?.memory?.working_set_bytes?.value),
          rss: Number(stats?.memory?.rss_bytes?.value),
          'cpu.some': Number(stats?.cpu?.psi?.Some?.Total) / 1000,
          'cpu.full': Number(stats?.cpu?.psi?.Full?.Total) / 1000,
          'memory.some': Number(stats?.memory?.psi?.Some?.Total) / 1000,
          'memory.full': Number(stats?.memory?.psi?.Full?.Total) / 1000,
          'io.some': Number(stats?.io?.psi?.Some?.Total) / 1000,
          'io.full': Number(stats?.io?.psi?.Full?.Total) / 1000,
        };
        const figure = (name: string): number => later.get(name) ?? Number.NaN;
        const pressures = [...later].filter(([name]) => name.includes('.'));
        assert.deepEqual(told, {
          cpu: figure('cpu'),
          usage: figure('usage'),
          workingSet: figure('usage') - figure('inactive'),
          rss: figure('anon'),
          ...Object.fromEntries(pressures),
        });
        assert.ok(figure('cpu') > 0 && figure('usage') > 0);
        return true;
      },
      AT_LAST_MS,
    );
  });
});
