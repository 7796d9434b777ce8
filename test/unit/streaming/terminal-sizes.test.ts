import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SizeReader } from '../../../src/streaming/terminal-sizes.js';

describe('SizeReader', () => {
  it('reads sizes however they are cut, and tells the last', () => {
    const reader = new SizeReader();
    assert.equal(reader.push(Buffer.from('{"Width":8')), undefined);
    assert.deepEqual(reader.push(Buffer.from('0,"Height":25}\n{"Wid')), { width: 80, height: 25 });
    assert.deepEqual(reader.push(Buffer.from('th":1,"Height":2}{"Width":3,"Height":4}')), {
      width: 3,
      height: 4,
    });
  });

  it('ignores what is no size', () => {
    const reader = new SizeReader();
    for (const text of [
      '{}',
      '}',
      '[1}',
      '{"Width":0,"Height":5}',
      '{"Width":"8","Height":5}',
      '{"Width":70000,"Height":5}',
    ]) {
      assert.equal(reader.push(Buffer.from(text)), undefined, text);
    }
    reader.push(Buffer.alloc(5_000, '{'));
    assert.deepEqual(reader.push(Buffer.from('{"Width":8,"Height":5}')), { width: 8, height: 5 });
  });
});
