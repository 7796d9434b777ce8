import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editConfig, type ConfigEdit } from '../../../../src/convert/companion/edit-config.js';
import type { OciConfig } from '../../../../src/convert/companion/oci-config.js';

const CONFIG: OciConfig = {
  root: { path: '/merged' },
  process: { capabilities: { bounding: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] } },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/etc/hosts', type: 'bind', source: '/d/hosts', options: ['rbind'] },
    { destination: '/dev/shm', type: 'bind', source: '/d/shm' },
    { destination: '/data', type: 'bind', source: '/srv', options: ['rbind', 'ro'] },
    { destination: '/image', type: 'bind', source: '/layers' },
  ],
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'user', path: '/old' }],
    sysctl: { 'net.ipv4.ping_group_range': '0 2147483647', 'kernel.msgmax': '1' },
    resources: { memory: { limit: 1 } },
  },
};
const NOTHING: ConfigEdit = { mapsTmpfs: true, hugePages: {}, unified: {} };
const userNamespace = {
  uids: [{ containerID: 0, hostID: 200000, size: 65536 }],
  gids: [{ containerID: 0, hostID: 300000, size: 65536 }],
};
const maps = { uidMappings: userNamespace.uids, gidMappings: userNamespace.gids };

describe('editConfig', () => {
  it('changes nothing when nothing is asked for', () => {
    assert.deepEqual(editConfig(CONFIG, NOTHING), CONFIG);
  });

  it('gives the sandbox a user namespace, and its own files the owners of it', () => {
    const { root, mounts, linux } = editConfig(CONFIG, { ...NOTHING, userNamespace, rootPath: '/run/x' });
    assert.deepEqual(root, { path: '/run/x' });
    assert.deepEqual(linux?.namespaces, [{ type: 'mount' }, { type: 'user' }]);
    assert.deepEqual([linux.uidMappings, linux.gidMappings], [maps.uidMappings, maps.gidMappings]);
    assert.deepEqual(linux.sysctl, { 'net.ipv4.ping_group_range': '0 65535', 'kernel.msgmax': '1' });
    const mapped = mounts?.filter((mount) => 'uidMappings' in mount).map(({ destination }) => destination);
    assert.deepEqual(mapped, ['/etc/hosts', '/dev/shm']);
    const old = editConfig(CONFIG, { ...NOTHING, userNamespace, mapsTmpfs: false });
    assert.ok(!old.mounts?.some((mount) => mount.destination === '/dev/shm' && 'uidMappings' in mount));
  });

  it('joins a network namespace that is there, in the place of a new one', () => {
    const path = '/proc/7/fd/9';
    const namespaces = [{ type: 'network' }, { type: 'mount' }];
    const { linux } = editConfig(
      { ...CONFIG, linux: { namespaces } },
      { ...NOTHING, networkNamespacePath: path },
    );
    assert.deepEqual(linux?.namespaces, [{ type: 'mount' }, { type: 'network', path }]);
  });

  it('joins that of the sandbox', () => {
    const { linux } = editConfig(CONFIG, { ...NOTHING, userNamespace, userNamespacePath: '/proc/7/ns/user' });
    assert.deepEqual(linux?.namespaces?.[1], { type: 'user', path: '/proc/7/ns/user' });
  });

  it('gives mounts what was asked for them', () => {
    const mounts = {
      '/data': { idMaps: userNamespace, options: ['noexec', 'rro'] },
      '/image': { isImage: true as const, idMaps: userNamespace },
    };
    const { mounts: made } = editConfig(CONFIG, { ...NOTHING, mounts });
    assert.deepEqual(made?.[3], {
      ...CONFIG.mounts?.[3],
      options: ['rbind', 'ro', 'noexec', 'rro'],
      ...maps,
    });
    assert.deepEqual(made[4], CONFIG.mounts?.[4]);
  });

  it('gives ambient capabilities, with the sets that they need', () => {
    const { process } = editConfig(CONFIG, { ...NOTHING, ambient: ['CAP_NET_RAW'] });
    assert.deepEqual(process?.capabilities, {
      bounding: ['CAP_CHOWN', 'CAP_NET_RAW'],
      permitted: ['CAP_CHOWN', 'CAP_NET_RAW'],
      effective: ['CAP_NET_RAW'],
      inheritable: ['CAP_NET_RAW'],
      ambient: ['CAP_NET_RAW'],
    });
  });

  it('sets limits beside those of Docker', () => {
    const { linux } = editConfig(CONFIG, {
      ...NOTHING,
      hugePages: { '2MB': '4194304' },
      unified: { 'memory.high': '9' },
    });
    assert.deepEqual(linux?.resources, {
      memory: { limit: 1 },
      hugepageLimits: [{ pageSize: '2MB', limit: 4194304 }],
      unified: { 'memory.high': '9' },
    });
  });
});
