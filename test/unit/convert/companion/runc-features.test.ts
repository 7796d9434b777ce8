import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { passedOver, readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';

describe('what the OCI runtime knows', () => {
  it('is what it reports, and nothing else', () => {
    const none = {
      mapsMounts: false,
      netDevices: false,
      rdtSchemata: false,
      rdtMonitoring: false,
      memoryPolicy: false,
    };
    for (const report of [
      '',
      '[]',
      'null',
      '{"linux":{"intelRdt":null}}',
      '{"linux":{"netDevices":{"enabled":"yes"}}}',
    ])
      assert.deepEqual(readRuncFeatures(report), none);
    const linux = {
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: ['MPOL_BIND'] },
    };
    const all = {
      mapsMounts: true,
      netDevices: true,
      rdtSchemata: true,
      rdtMonitoring: true,
      memoryPolicy: true,
    };
    assert.deepEqual(readRuncFeatures(JSON.stringify({ linux })), all);
  });

  it('decides on what it would pass over without a word', () => {
    const [old, newer] = [readRuncFeatures(''), { ...readRuncFeatures(''), netDevices: true }];
    const netDevices = { eth1: { name: 'a' } };
    assert.equal(passedOver({ netDevices }, old), 'linux.netDevices');
    assert.equal(passedOver({ netDevices }, newer), undefined);
    assert.equal(passedOver({ linuxMembers: { memoryPolicy: {} } }, newer), 'linux.memoryPolicy');
    assert.equal(
      passedOver({ netDevices: {}, intelRdt: { closID: 'x', l3CacheSchema: 'y' } }, old),
      undefined,
    );
    assert.equal(passedOver({ intelRdt: { schemata: ['L3:0=f'] } }, newer), 'linux.intelRdt.schemata');
    assert.equal(
      passedOver({ intelRdt: { enableMonitoring: true } }, newer),
      'linux.intelRdt.enableMonitoring',
    );
  });
});
