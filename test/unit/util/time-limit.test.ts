import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { describe, it } from 'node:test';
import { abortError } from '../../../src/docker/errors.js';
import { withTimeLimit } from '../../../src/util/time-limit.js';
import { Code } from '../../../src/util/cri-error.js';

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw abortError(signal.reason);
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('withTimeLimit', () => {
  it('gives what the work gives, or throws, and leaves neither listener nor timer', async () => {
    const { signal } = new AbortController();
    const before = timers();
    const during: number[] = [];
    const work = async (limited: AbortSignal) => {
      during.push(timers(), getEventListeners(signal, 'abort').length);
      assert.ok(!limited.aborted);
      return Promise.resolve('done');
    };
    assert.equal(await withTimeLimit(Infinity, [signal], work), 'done');
    assert.equal(await withTimeLimit(60_000, [undefined], work), 'done');
    const failure = new Error('broken');
    await assert.rejects(
      withTimeLimit(60_000, [signal], () => Promise.reject(failure)),
      failure,
    );
    assert.deepEqual(during, [before + 1, 1, before + 1, 0]);
    assert.deepEqual([timers(), getEventListeners(signal, 'abort').length], [before, 0]);
  });

  it("aborts as the caller's signal does, also when it had before", async () => {
    const caller = new AbortController();
    const reason = new Error('the caller has gone');
    const working = withTimeLimit(60_000, [caller.signal], untilAborted);
    caller.abort(reason);
    const cancelled = { code: Code.CANCELLED, cause: reason };
    await assert.rejects(working, cancelled);
    await assert.rejects(withTimeLimit(60_000, [caller.signal], untilAborted), cancelled);
  });

  it('aborts with what counts as a timeout', async () => {
    const { signal } = new AbortController();
    await assert.rejects(withTimeLimit(5, [signal], untilAborted), { code: Code.DEADLINE_EXCEEDED });
  });
});
