import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { abortableUntil } from '../../../src/util/abortable-until.js';

describe('abortableUntil', () => {
  it("aborts with the caller's reason, and comes to no last step then", () => {
    const caller = new AbortController();
    const { signal, close } = abortableUntil(caller.signal);
    caller.abort(new Error('too late'));
    assert.equal(signal.reason, caller.signal.reason);
    assert.throws(close, /too late/);
  });

  it('is aborted where the caller has given up before', () => {
    assert.equal(abortableUntil(AbortSignal.abort()).signal.aborted, true);
  });

  it('is not given up in its last step', () => {
    const caller = new AbortController();
    const { signal, close } = abortableUntil(caller.signal);
    close();
    caller.abort();
    assert.equal(signal.aborted, false);
  });
});
