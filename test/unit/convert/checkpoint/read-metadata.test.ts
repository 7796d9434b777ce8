import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDeletedFiles, readOrigin } from '../../../../src/convert/checkpoint/read-metadata.js';

const CONFIG = JSON.stringify({ rootfsImageName: 'shop:1', rootfsImageRef: 'shop@sha256:abc' });

describe('what a restore reads of an archive', () => {
  it('are names of the image, the most exact first, and mounts that are not given by themselves', () => {
    const mounts = [
      { destination: '/proc', type: 'proc' },
      { destination: '/etc/hosts', type: 'bind', source: '/x' },
      { destination: '/data', type: 'bind', source: '/secret' },
      { destination: '/tmp', type: 'tmpfs' },
    ];
    assert.deepEqual(readOrigin(CONFIG, JSON.stringify({ mounts })), {
      images: ['shop@sha256:abc', 'shop:1'],
      imageName: 'shop:1',
      mounts: ['/data'],
      hasUserNamespace: false,
    });
    for (const [linux, isIn] of [
      [{ namespaces: [{ type: 'user' }] }, true],
      [{ namespaces: [null, 1, { type: 'pid' }] }, false],
      [{ namespaces: 'user' }, false],
      [null, false],
      [5, false],
    ] as const) {
      assert.equal(readOrigin(CONFIG, JSON.stringify({ linux })).hasUserNamespace, isIn);
    }
    assert.deepEqual(readOrigin('{"rootfsImage":"a"}', '{}').images, ['a']);
  });

  it('must be what they are', () => {
    const configs = [
      '',
      '[]',
      'null',
      '1',
      '{}',
      '{"rootfsImageName":1}',
      '{"rootfsImageName":"a b"}',
      '{"rootfsImageName":"a\\u0000"}',
    ];
    for (const config of configs)
      assert.throws(() => readOrigin(config, '{}'), /^Error: config\.dump/, config);
    assert.throws(
      () => readOrigin(JSON.stringify({ rootfsImageName: 'a'.repeat(1025) }), '{}'),
      /no name of an image/,
    );
    for (const spec of ['', '[]', '{"mounts":{}}', '{"mounts":[null]}', '{"mounts":[{"destination":1}]}']) {
      assert.throws(() => readOrigin(CONFIG, spec), /^Error: spec\.dump/, spec);
    }
  });

  it('takes deleted files apart, and none that leads elsewhere', () => {
    assert.deepEqual(readDeletedFiles('["/a/b","c"]'), [['a', 'b'], ['c']]);
    for (const text of ['{}', '[1]', '["/"]', '[""]', '["/a/../b"]', '["/./a"]', '["/a\\u0000"]']) {
      assert.throws(() => readDeletedFiles(text), /deleted\.files/, text);
    }
  });
});
