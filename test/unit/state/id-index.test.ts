import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IdIndex } from '../../../src/state/id-index.js';
import { Code, CriError } from '../../../src/util/cri-error.js';

describe('IdIndex', () => {
  const index = new IdIndex<string>();
  index.set('abc1', 'one');
  index.set('abd2', 'two');

  it('finds by id and by unique prefix', () => {
    assert.equal(index.resolve('abc1', 'id'), 'one');
    assert.equal(index.resolve('abd', 'id'), 'two');
    assert.equal(index.resolve('abx', 'id'), undefined);
    assert.equal(index.resolve('', 'id'), undefined);
  });

  it('refuses a prefix of several, naming the field', () => {
    assert.throws(
      () => index.resolve('ab', 'container_id'),
      (error) =>
        error instanceof CriError &&
        error.code === Code.INVALID_ARGUMENT &&
        /^container_id/.test(error.message),
    );
  });
});
