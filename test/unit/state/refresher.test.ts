import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Refresher } from '../../../src/state/refresher.js';

describe('Refresher', () => {
  it('gives every caller a refresh that began after it asked, and never two of one id at once', async () => {
    const finish: (() => void)[] = [];
    const begun = (): number => finish.length;
    let running = 0;
    let most = 0;
    const refresher = new Refresher(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => finish.push(resolve));
      running -= 1;
    });
    const first = refresher.request('a');
    const second = refresher.request('a');
    const third = refresher.request('a');
    assert.equal(begun(), 1);
    finish[0]?.();
    await first;
    while (begun() < 2) await new Promise(setImmediate);
    finish[1]?.();
    await Promise.all([second, third]);
    assert.equal(begun(), 2, 'callers that asked during the first run share the second');
    assert.equal(most, 1);
  });

  it('tells a failure to those who waited for that run and to nobody else', async () => {
    const outcomes = [new Error('first fails'), undefined];
    const refresher = new Refresher(async () => {
      await new Promise(setImmediate);
      const outcome = outcomes.shift();
      if (outcome !== undefined) throw outcome;
    });
    const first = refresher.request('a');
    const second = refresher.request('a');
    await assert.rejects(first, /first fails/);
    await second;
  });
});
