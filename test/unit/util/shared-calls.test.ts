import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { SharedCalls } from '../../../src/util/shared-calls.js';

function controllable(): {
  start: (signal: AbortSignal) => Promise<string>;
  finish: (value: string) => void;
  fail: (error: Error) => void;
  runs: AbortSignal[];
  begun: () => number;
} {
  const runs: AbortSignal[] = [];
  let finish: (value: string) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  return {
    runs,
    begun: () => runs.length,
    start: (signal) => {
      runs.push(signal);
      return new Promise((resolve, reject) => {
        finish = resolve;
        fail = reject;
      });
    },
    finish: (value) => finish(value),
    fail: (error) => fail(error),
  };
}

describe('SharedCalls', () => {
  it('gives all who ask at the same time one run', async () => {
    const calls = new SharedCalls<string>();
    const work = controllable();
    const both = Promise.all([calls.join('k', work.start), calls.join('k', work.start)]);
    work.finish('done');
    assert.deepEqual(await both, ['done', 'done']);
    assert.equal(work.runs.length, 1);
  });

  it('keeps the run going while one caller still waits', async () => {
    const calls = new SharedCalls<string>();
    const work = controllable();
    const abort = new AbortController();
    const first = calls.join('k', work.start, abort.signal);
    const second = calls.join('k', work.start);
    abort.abort(new Error('gone'));
    await assert.rejects(first, /gone/);
    assert.equal(work.runs[0]?.aborted, false);
    work.finish('done');
    assert.equal(await second, 'done');
  });

  it('aborts the run when the last caller has gone, and starts anew only after it has cleaned up', async () => {
    const calls = new SharedCalls<string>();
    const work = controllable();
    const abort = new AbortController();
    const first = calls.join('k', work.start, abort.signal);
    abort.abort(new Error('gone'));
    await assert.rejects(first, /gone/);
    assert.equal(work.runs[0]?.aborted, true);
    const retry = calls.join('k', work.start);
    await Promise.resolve();
    assert.equal(work.begun(), 1);
    work.fail(new Error('cleaned up'));
    while (work.begun() === 1) await new Promise(setImmediate);
    work.finish('second');
    assert.equal(await retry, 'second');
  });

  it('tells who gives up the step that the run was at', async () => {
    const calls = new SharedCalls<string>();
    const abort = new AbortController();
    const given = calls.join(
      'k',
      (_signal, progress) => {
        progress('creating');
        progress('attaching its network');
        return new Promise(() => undefined);
      },
      abort.signal,
    );
    abort.abort(new CriError(Code.DEADLINE_EXCEEDED, 'the deadline passed'));
    await assert.rejects(given, {
      code: Code.DEADLINE_EXCEEDED,
      message: 'the deadline passed while attaching its network',
    });
  });

  it('forgets a run that failed', async () => {
    const calls = new SharedCalls<string>();
    await assert.rejects(
      calls.join('k', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await calls.join('k', () => Promise.resolve('yes')), 'yes');
  });
});
