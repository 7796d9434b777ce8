import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Tokens } from '../../../src/streaming/tokens.js';
import { Code } from '../../../src/util/cri-error.js';

const any = () => true;

describe('Tokens', () => {
  it('gives each value once, for 128 random bits', () => {
    const tokens = new Tokens<number>();
    const first = tokens.issue(1);
    const second = tokens.issue(2);
    assert.match(first, /^[0-9a-f]{32}$/);
    assert.notEqual(first, second);
    assert.equal(tokens.take(second, any), 2);
    assert.equal(tokens.take(second, any), undefined);
    assert.equal(tokens.take('0'.repeat(32), any), undefined);
    assert.equal(
      tokens.take(first, () => false),
      undefined,
      'refused',
    );
    assert.equal(tokens.take(first, any), 1, 'a refusal leaves it');
  });

  it('forgets what nobody fetched in time', async () => {
    const tokens = new Tokens<number>(20);
    const token = tokens.issue(1);
    await delay(40);
    assert.equal(tokens.take(token, any), undefined);
  });

  it('keeps a thousand and no more', () => {
    const tokens = new Tokens<number>();
    const issued = Array.from({ length: 1_000 }, (_, value) => tokens.issue(value));
    assert.throws(() => tokens.issue(0), { code: Code.RESOURCE_EXHAUSTED });
    tokens.take(issued[5] ?? '', any);
    tokens.issue(0);
    tokens.clear();
    assert.equal(tokens.take(issued[6] ?? '', any), undefined);
  });
});
