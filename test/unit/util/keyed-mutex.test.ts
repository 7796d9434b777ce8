import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { KeyedMutex } from '../../../src/util/keyed-mutex.js';

describe('KeyedMutex', () => {
  it('runs work under one key one at a time and in order, under different keys at once', async () => {
    const mutex = new KeyedMutex();
    const seen: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await turn();
      seen.push(`${name} ends`);
    };
    await Promise.all([mutex.run('a', work('a1')), mutex.run('a', work('a2')), mutex.run('b', work('b1'))]);
    assert.deepEqual(
      seen.filter((line) => line.startsWith('a')),
      ['a1 begins', 'a1 ends', 'a2 begins', 'a2 ends'],
    );
    assert.ok(seen.indexOf('b1 begins') < seen.indexOf('a1 ends'));
  });

  it('goes on after work that failed', async () => {
    const mutex = new KeyedMutex();
    await assert.rejects(
      mutex.run('a', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await mutex.run('a', () => Promise.resolve(7)), 7);
  });

  it('lets a waiter give up without breaking the order of the others', async () => {
    const mutex = new KeyedMutex();
    const seen: string[] = [];
    let finishFirst = (): void => undefined;
    const first = mutex.run('a', () => new Promise<void>((resolve) => (finishFirst = resolve)));
    const abort = new AbortController();
    const second = mutex.run('a', () => Promise.resolve(seen.push('second')), abort.signal);
    const third = mutex.run('a', () => Promise.resolve(seen.push('third')));
    abort.abort(new Error('gave up'));
    await assert.rejects(second, /gave up/);
    assert.deepEqual(seen, []);
    finishFirst();
    await Promise.all([first, third]);
    assert.deepEqual(seen, ['third']);
  });
});
