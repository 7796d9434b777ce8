import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CappedBytes, fitted } from '../../../../src/cri/container/capped-bytes.js';
import { ByteBudget } from '../../../../src/util/byte-budget.js';

const enough = (): ByteBudget => new ByteBudget(Infinity, () => assert.fail('it is spent'));

describe('CappedBytes', () => {
  it('joins pieces and drops what is too much', () => {
    const joined = new CappedBytes(5000, enough());
    assert.equal(joined.bytes.length, 0);
    for (let value = 0; value < 7000; value += 7) joined.push(Buffer.alloc(7, value % 251));
    assert.equal(joined.bytes.length, 5000);
    assert.deepEqual(
      [...joined.bytes.subarray(4990)],
      Array.from({ length: 10 }, (_, index) => (Math.floor((4990 + index) / 7) * 7) % 251),
    );
  });

  it('is not changed by what the caller does with a piece afterwards', () => {
    const joined = new CappedBytes(10, enough());
    const piece = Buffer.from('abc');
    joined.push(piece);
    piece.fill(0);
    assert.equal(joined.bytes.toString(), 'abc');
  });
});

it('two outputs are cut to fit together, the shorter one last', () => {
  const lengths = (one: number, other: number): number[] =>
    fitted(Buffer.alloc(one), Buffer.alloc(other), 100).map(({ length }) => length);
  assert.deepEqual(lengths(60, 40), [60, 40]);
  assert.deepEqual(lengths(100, 0), [100, 0]);
  assert.deepEqual(lengths(90, 20), [80, 20]);
  assert.deepEqual(lengths(10, 100), [10, 90]);
  assert.deepEqual(lengths(100, 100), [50, 50]);
});
