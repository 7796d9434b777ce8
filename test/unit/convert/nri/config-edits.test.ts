import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { passedOver, readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';
import { configEdits } from '../../../../src/convert/nri/config-edits.js';
import type { ContainerAdjustment } from '../../../../src/gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { protocol } from '../../../support/nri-plugin.js';

const MIN_OOM_SCORE_ADJ = -500;

describe("NRI's adjustments in the words of config.json", () => {
  const edits = (adjust: ContainerAdjustment) =>
    configEdits(protocol.complete('ContainerAdjustment', adjust), MIN_OOM_SCORE_ADJ);

  it('network devices and memory policies, for a runc that knows them', () => {
    const { netDevices, linuxMembers } = edits({
      linux: {
        net_devices: { eth1: { name: 'data' } },
        memory_policy: { mode: 'MPOL_INTERLEAVE', nodes: '0-1', flags: ['MPOL_F_STATIC_NODES'] },
      },
    });
    assert.deepEqual(netDevices, { eth1: { name: 'data' } });
    assert.deepEqual(linuxMembers?.['memoryPolicy'], {
      mode: 'MPOL_INTERLEAVE',
      nodes: '0-1',
      flags: ['MPOL_F_STATIC_NODES'],
    });
    const unknown = readRuncFeatures('{}');
    assert.equal(
      passedOver(edits({ linux: { net_devices: { a: { name: 'b' } } } }), unknown),
      'linux.netDevices',
    );
    assert.equal(passedOver(edits({ linux: { memory_policy: {} } }), unknown), 'linux.memoryPolicy');
  });

  it('a class of RDT, by either of its names; none where it is taken away', () => {
    assert.deepEqual(edits({ linux: { rdt: { clos_id: { value: 'gold' } } } }).intelRdt, { closID: 'gold' });
    const resources = { rdt_class: { value: 'silver' } };
    assert.deepEqual(edits({ linux: { resources } }).intelRdt, { closID: 'silver' });
    assert.equal(edits({ linux: { rdt: { remove: true } } }).intelRdt, undefined);
    const again = { remove: true, clos_id: { value: 'gold' } };
    assert.deepEqual(edits({ linux: { rdt: again } }).intelRdt, { closID: 'gold' });
  });

  it('an OOM score that is lower than this node allows is the lowest allowed', () => {
    const { processMembers } = edits({ linux: { oom_score_adj: { value: -998 } } });
    assert.deepEqual(processMembers, { oomScoreAdj: MIN_OOM_SCORE_ADJ });
  });
});
