import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OciConfig } from '../../../../src/convert/companion/oci-config.js';
import { joinedEdits, withEdits } from '../../../../src/convert/companion/oci-edits.js';

const CONFIG: OciConfig = {
  mounts: [
    { destination: '/proc', type: 'proc' },
    { destination: '/a/b/c', source: '/c' },
    { destination: '/a/b', source: '/old' },
  ],
  process: {
    args: ['sh'],
    env: ['PATH=/bin', 'A=1'],
    user: { uid: 1000, gid: 0, additionalGids: [5] },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 2 }],
  },
  linux: {
    devices: [{ path: '/dev/a', type: 'c', major: 1, minor: 2 }],
    resources: { memory: { limit: 1 }, devices: [{ allow: false, access: 'rwm' }] },
  },
};

describe('withEdits', () => {
  it('changes nothing where there are none, and then not even the objects', () => {
    assert.equal(withEdits(CONFIG, {}), CONFIG);
    assert.equal(withEdits(CONFIG, joinedEdits([{}, {}])), CONFIG);
  });

  it('the process: command, environment by name, limits by type, groups', () => {
    const { process } = withEdits(CONFIG, {
      args: ['run'],
      env: ['A=x=y', 'B='],
      removedEnv: ['PATH', 'A'],
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 7, hard: 8 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
      additionalGids: [5, 44, 44],
    });
    assert.deepEqual(process, {
      args: ['run'],
      env: ['A=x=y', 'B='],
      user: { uid: 1000, gid: 0, additionalGids: [5, 44] },
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 7, hard: 8 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
    });
  });

  it('mounts by where they are, those that others lie below first', () => {
    const { mounts } = withEdits(CONFIG, {
      mounts: [
        { destination: '/a/b/', source: '/new' },
        { destination: '/z', source: '/z' },
      ],
      removedMounts: ['/a/b/c'],
    });
    const seen = mounts?.map(({ destination, source }) => [destination, source]);
    assert.deepEqual(seen, [
      ['/proc', undefined],
      ['/z', '/z'],
      ['/a/b/', '/new'],
    ]);
  });

  it('devices by path with their rules, and owners where they have none of their own', () => {
    const node = { type: 'c', major: 9, minor: 9 };
    const { linux } = withEdits(CONFIG, {
      devices: [
        { path: '/dev/a', ...node, isProcessUsers: true },
        { path: '/dev/b', ...node, uid: 0, isProcessUsers: true },
        { path: '/dev/c', ...node },
      ],
      deviceRules: [{ allow: true, type: 'c', major: 9, minor: 9, access: 'rw' }],
    });
    assert.deepEqual(linux?.devices, [
      { uid: 1000, path: '/dev/a', ...node },
      { uid: 0, path: '/dev/b', ...node },
      { path: '/dev/c', ...node },
    ]);
    assert.deepEqual(linux.resources, {
      memory: { limit: 1 },
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 9, minor: 9, access: 'rw' },
      ],
    });
    assert.deepEqual(withEdits(CONFIG, { removedDevices: ['/dev/a'] }).linux?.devices, []);
  });

  it('hooks, network devices and Intel RDT, of several who make edits', () => {
    const edits = joinedEdits([
      {
        hooks: { createRuntime: [{ path: '/one' }] },
        netDevices: { eth7: { name: 'in' } },
        intelRdt: { closID: 'a' },
      },
      {
        hooks: { createRuntime: [{ path: '/two', timeout: 3 }], poststop: [{ path: '/end' }] },
        intelRdt: { closID: 'b' },
      },
    ]);
    const { hooks, linux } = withEdits({ hooks: { prestart: [{ path: '/zero' }] } }, edits);
    assert.deepEqual(hooks, {
      prestart: [{ path: '/zero' }],
      createRuntime: [{ path: '/one' }, { path: '/two', timeout: 3 }],
      poststop: [{ path: '/end' }],
    });
    assert.deepEqual(linux, { netDevices: { eth7: { name: 'in' } }, intelRdt: { closID: 'b' } });
  });
});
