import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { holdingMount, parseMountinfo } from '../../../../src/convert/text/mountinfo.js';

describe('mountinfo', () => {
  const mounts = parseMountinfo(
    [
      '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw',
      '2 1 0:9 / /a\\040b rw master:1 - tmpfs tmpfs rw',
      '3 1 0:9 / /priv rw - tmpfs tmpfs rw',
      '4 1 0:9 / /twice rw - tmpfs tmpfs rw',
      '5 1 0:9 / /twice rw shared:7 - tmpfs tmpfs rw',
      '6 1 0:10 /etc /o rw - overlay overlay rw,context="a:b:c1,c2",lowerdir=/x:/y',
      'nonsense',
    ].join('\n'),
  );

  it('which mount holds a path, and how it propagates', () => {
    const told = (path: string) => {
      const { mountPoint, shared, slave } = holdingMount(mounts, path) ?? {};
      return [mountPoint, shared, slave];
    };
    assert.deepEqual(told('/a b/c'), ['/a b', false, true]);
    assert.deepEqual(told('/private'), ['/', true, false]);
    assert.deepEqual(told('/priv'), ['/priv', false, false]);
    assert.deepEqual(told('/twice/x'), ['/twice', true, false]);
  });

  it('what it shows, with which options', () => {
    const { root, type, superOptions } = holdingMount(mounts, '/o/x') ?? {};
    assert.deepEqual([root, type], ['/etc', 'overlay']);
    assert.deepEqual(superOptions, ['rw', 'context="a:b:c1,c2"', 'lowerdir=/x:/y']);
  });
});
