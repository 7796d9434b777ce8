import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  askedAdjustments,
  type AdjustmentFacts,
} from '../../../../src/convert/companion/asked-adjustments.js';
import { readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';
import type { ContainerConfig } from '../../../../src/gen/runtime/v1/ContainerConfig.js';
import { containerConfig } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const features = readRuncFeatures('');
const present = { runtime: 'x', userNamespaces: true, features, missing: '' };
const absent = { runtime: undefined, userNamespaces: false, features, missing: 'not installed' };
const facts: AdjustmentFacts = {
  userNamespace: undefined,
  companion: present,
  supports: () => true,
  isCdiByEngine: true,
  writes: [],
};
const mapping = [{ host_id: 1000, container_id: 0, length: 10 }];
const maps = {
  uids: [{ containerID: 0, hostID: 1000, size: 10 }],
  gids: [{ containerID: 0, hostID: 1000, size: 10 }],
};
const data = { container_path: '/data/', host_path: '/srv' };
const ambient = (...names: string[]): ContainerConfig => ({
  linux: { security_context: { capabilities: { add_ambient_capabilities: names } } },
});
const AMBIENT = 'config.linux.security_context.capabilities.add_ambient_capabilities';
const USERNS = 'config.linux.security_context.namespace_options.userns_options';

describe('askedAdjustments', () => {
  const asked = (change: ContainerConfig, more: Partial<AdjustmentFacts> = {}) =>
    askedAdjustments(containerConfig(change), { ...facts, ...more });

  it('none for a container that needs nothing', () => {
    assert.equal(asked({ mounts: [data] }), undefined);
    assert.equal(asked({ mounts: [{ ...data, readonly: true, recursive_read_only: true }] }), undefined);
  });

  it('ambient capabilities, by their names in full', () => {
    assert.deepEqual(asked(ambient('net_raw', 'CAP_CHOWN')), { ambient: ['CAP_NET_RAW', 'CAP_CHOWN'] });
    assertRefused(() => asked(ambient('ALL')), `${AMBIENT}[0]`);
    assertRefused(() => asked(ambient('CHOWN'), { companion: absent }), AMBIENT, 'UNIMPLEMENTED');
  });

  it('CDI devices that the Engine does not give', () => {
    const CDI_devices = [{ name: 'v.org/c=a' }, { name: 'v.org/c=b' }];
    assert.equal(asked({ CDI_devices }), undefined);
    const byCompanion = { isCdiByEngine: false };
    assert.deepEqual(asked({ CDI_devices }, byCompanion), { cdi: ['v.org/c=a', 'v.org/c=b'] });
    const without = { ...byCompanion, companion: absent };
    assertRefused(() => asked({ CDI_devices }, without), 'config.CDI_devices[0].name', 'UNIMPLEMENTED');
  });

  it('of mounts, by the path that Docker has', () => {
    const mount = { ...data, uidMappings: mapping, gidMappings: mapping, mount_options: ['noexec'] };
    assert.deepEqual(asked({ mounts: [mount] }), {
      mounts: { '/data': { options: ['noexec'], idMaps: maps } },
    });
    const refused = (change: object, field: string) =>
      assertRefused(() => asked({ mounts: [{ ...data, ...change }] }), `config.mounts[0].${field}`);
    refused({ mount_options: ['exec'] }, 'mount_options[0]');
    refused({ uidMappings: mapping }, 'gidMappings');
    refused(
      { uidMappings: [{ host_id: 1, container_id: 0, length: 0 }], gidMappings: mapping },
      'uidMappings[0].length',
    );
    for (const change of [{ uidMappings: mapping, gidMappings: mapping }, { mount_options: ['nodev'] }]) {
      const field = `config.mounts[0].${Object.keys(change)[0]}`;
      const mounts = [{ ...data, ...change }];
      assertRefused(() => asked({ mounts }, { companion: absent }), field, 'UNIMPLEMENTED');
    }
  });

  it('recursively read-only where Docker has no word for it', () => {
    const mounts = [{ ...data, readonly: true, recursive_read_only: true }];
    const old = { supports: () => false };
    assert.deepEqual(asked({ mounts }, old), { mounts: { '/data': { options: ['rro'] } } });
    assert.throws(
      () => asked({ mounts }, { ...old, companion: absent }),
      /recursive_read_only: RROUnsupported/,
    );
  });

  it("the pod's user namespace, and images with its owners", () => {
    const mounts = [{ container_path: '/i', image: { image: 'x' } }];
    const inPod = { userNamespace: maps };
    assert.deepEqual(asked({}, inPod), inPod);
    assert.deepEqual(asked({ mounts }, inPod), { ...inPod, mounts: { '/i': { isImage: true } } });
    assertRefused(() => asked({}, { ...inPod, companion: absent }), USERNS, 'UNIMPLEMENTED');
    const old = { ...inPod, supports: () => false };
    assertRefused(() => asked({ mounts }, old), 'config.mounts[0].image', 'UNIMPLEMENTED');
  });

  it('limits that the first instructions must not be without, and none for what all containers have', () => {
    const needs = (file: string, value: string, raw?: true) =>
      asked({}, { writes: [{ file, value, required: true, ...(raw && { raw }) }] }) !== undefined;
    assert.ok(needs('hugetlb.2MB.max', '4194304'));
    assert.ok(needs('memory.high', '1', true));
    assert.ok(!needs('hugetlb.2MB.max', '0'));
    assert.ok(!needs('memory.oom.group', '1', true));
    assert.ok(!needs('memory.max', '4096'));
    const writes = [{ file: 'memory.high', value: '1', required: true, raw: true as const }];
    assert.equal(asked({}, { writes, companion: absent }), undefined);
  });
});
