import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerAdjustment } from '../../../src/gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { ContainerAdjustment__Output } from '../../../src/gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { Field } from '../../../src/gen/nri/pkg/api/v1alpha1/Field.js';
import { adjustedView } from '../../../src/nri/merge/adjusted-view.js';
import { AdjustmentMerge } from '../../../src/nri/merge/adjustment.js';
import { Owners } from '../../../src/nri/merge/owners.js';
import { UpdateMerge } from '../../../src/nri/merge/updates.js';
import { protocol } from '../../support/nri-plugin.js';

const ID = 'c';

function whole(adjust: ContainerAdjustment): ContainerAdjustment__Output {
  return protocol.complete('ContainerAdjustment', adjust);
}

function merged(...asked: ContainerAdjustment[]): { adjust: ContainerAdjustment; owners: Owners } {
  const owners = new Owners();
  const merge = new AdjustmentMerge(ID, owners);
  asked.forEach((adjust, index) => merge.add(`0${index}-plugin`, whole(adjust)));
  return { adjust: merge.merged, owners };
}

/** Each sets one thing; two plugins that set the same are refused. */
const ALONE: readonly ContainerAdjustment[] = [
  { annotations: { a: 'x' } },
  { mounts: [{ destination: '/m', source: '/s', type: 'bind' }] },
  { env: [{ key: 'A', value: 'x' }] },
  { args: ['sh'] },
  { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 2 }] },
  { CDI_devices: [{ name: 'v.com/c=d' }] },
  { linux: { devices: [{ path: '/dev/x', type: 'c' }] } },
  { linux: { namespaces: [{ type: 'ipc' }] } },
  { linux: { sysctl: { 'net.x': '1' } } },
  { linux: { net_devices: { eth1: { name: 'e' } } } },
  { linux: { cgroups_path: '/x' } },
  { linux: { oom_score_adj: { value: 1 } } },
  { linux: { io_priority: { class: 'IOPRIO_CLASS_IDLE' } } },
  { linux: { scheduler: { policy: 'SCHED_BATCH' } } },
  { linux: { seccomp_policy: { default_action: 'SCMP_ACT_ALLOW' } } },
  { linux: { memory_policy: { mode: 'MPOL_BIND' } } },
  { linux: { rdt: { clos_id: { value: 'x' } } } },
  { linux: { resources: { cpu: { shares: { value: 2 } } } } },
  { linux: { resources: { cpu: { cpus: '0' } } } },
  { linux: { resources: { memory: { limit: { value: 1 } } } } },
  { linux: { resources: { unified: { 'memory.high': '1' } } } },
  { linux: { resources: { hugepage_limits: [{ page_size: '2MB', limit: 1 }] } } },
  { linux: { resources: { pids: { limit: 3 } } } },
  { linux: { resources: { rdt_class: { value: 'x' } } } },
];

describe('merging of what NRI plugins want', () => {
  for (const adjust of ALONE) {
    it(`no two set the same: ${JSON.stringify(adjust)}`, () => {
      assert.throws(() => merged(adjust, adjust), /the NRI plugins 00-plugin and 01-plugin both set \w+/);
    });
  }

  it('different things add up', () => {
    const { adjust } = merged(...ALONE);
    const back = whole(adjust);
    assert.equal(back.env[0]?.value, 'x');
    assert.equal(back.linux?.resources?.cpu?.cpus, '0');
    assert.equal(back.linux.resources.cpu.shares?.value, '2');
    assert.equal(back.linux.rdt?.clos_id?.value, 'x');
  });

  it('what a plugin takes away it may set anew, and nobody after it', () => {
    const first = { env: [{ key: 'A', value: '1' }] };
    const second = { env: [{ key: '-A' }, { key: 'A', value: '2' }] };
    assert.deepEqual(merged(first, second).adjust.env, [{ key: 'A', value: '2' }]);
    assert.throws(() => merged(first, second, first), /01-plugin and 02-plugin both set Env A/);
    const only = { mounts: [{ destination: '-/m' }] };
    assert.deepEqual(merged(only).adjust.mounts, [{ destination: '-/m' }]);
    assert.throws(() => merged(first, { env: [{ key: '-A' }] }, first), /both set Env A/);
  });

  it('arguments are replaced after an empty one', () => {
    assert.deepEqual(merged({ args: ['a'] }, { args: ['', 'b'] }).adjust.args, ['b']);
  });

  it('hooks of all plugins run', () => {
    const hook = { hooks: { create_runtime: [{ path: '/h' }] } };
    const { adjust, owners } = merged(hook, hook);
    assert.equal(adjust.hooks?.create_runtime?.length, 2);
    assert.equal(owners.message().owners?.[ID]?.simple?.[Field.OciHooks], '00-plugin,01-plugin');
  });

  it('the next plugin sees the container as those before it want it', () => {
    const { adjust } = merged(
      { env: [{ key: '-A' }, { key: 'B', value: '2' }], mounts: [{ destination: '/m', source: '/new' }] },
      { linux: { resources: { cpu: { cpus: '0' } } } },
    );
    const before = { env: ['A=1', 'C=3'], mounts: [{ destination: '/m', source: '/old' }], linux: {} };
    const view = adjustedView(before, adjust);
    assert.deepEqual(view.env, ['C=3', 'B=2']);
    assert.deepEqual(
      view.mounts?.map(({ source }) => source),
      ['/new'],
    );
    assert.equal(view.linux?.resources?.cpu?.cpus, '0');
  });

  it('updates: no two set the same, unless they may fail; the one that is created has none', () => {
    const update = (cpus: string, ignore_failure = false) => ({
      container_id: 'other',
      linux: { resources: whole({ linux: { resources: { cpu: { cpus } } } }).linux?.resources ?? null },
      ignore_failure,
    });
    const updates = new UpdateMerge(new Owners(), ID);
    updates.add('a', [update('0')]);
    updates.add('b', [update('1', true)]);
    assert.equal(updates.others()[0]?.linux?.resources?.cpu?.cpus, '0');
    assert.throws(() => updates.add('b', [update('1')]), /both set CPUSetCPUs of container other/);
    assert.throws(() => updates.add('b', [{ ...update('1'), container_id: ID }]), /asked to adjust/);
  });
});
