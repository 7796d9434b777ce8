import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { GcGate } from '../../../../src/network/cni/gc-gate.js';

/** Work that goes on until it is told to end. */
class Work {
  started = false;
  end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => {
    this.end = resolve;
  });
  readonly run = async (): Promise<void> => {
    this.started = true;
    await this.#ended;
  };
}

describe('GcGate', () => {
  const { signal } = new AbortController();

  it('runs attachments side by side, and GC when none runs', async () => {
    const gate = new GcGate();
    const [first, second, gc] = [new Work(), new Work(), new Work()];
    const done = [
      gate.attachment(first.run, signal),
      gate.attachment(second.run, signal),
      gate.gc(gc.run, signal),
    ];
    await turn();
    assert.deepEqual([first.started, second.started, gc.started], [true, true, false]);
    first.end();
    await turn();
    assert.equal(gc.started, false);
    second.end();
    await turn();
    assert.equal(gc.started, true);
    gc.end();
    await Promise.all(done);
  });

  it('has GC give way to an attachment that has waited for it', async () => {
    const gate = new GcGate(1);
    const first = new Work();
    let reason: unknown;
    const gc = gate.gc(async (yielding) => {
      await new Promise((resolve) => yielding.addEventListener('abort', resolve));
      reason = yielding.reason;
    }, signal);
    await turn();
    const attaching = gate.attachment(first.run, signal);
    await gc;
    assert.match(String(reason), /gave way to a pod/);
    first.end();
    await attaching;
    assert.equal(first.started, true);
  });

  it('holds attachments up while GC runs, not while it waits', async () => {
    const gate = new GcGate();
    const [first, second, third, gc] = [new Work(), new Work(), new Work(), new Work()];
    const done = [
      gate.attachment(first.run, signal),
      gate.gc(gc.run, signal),
      gate.attachment(second.run, signal),
    ];
    await turn();
    assert.deepEqual([second.started, gc.started], [true, false]);
    first.end();
    second.end();
    await turn();
    done.push(gate.attachment(third.run, signal));
    await turn();
    assert.deepEqual([gc.started, third.started], [true, false]);
    gc.end();
    await turn();
    assert.equal(third.started, true);
    third.end();
    await Promise.all(done);
  });

  it('lets who waits give up', async () => {
    const gate = new GcGate();
    const [first, gc] = [new Work(), new Work()];
    const controller = new AbortController();
    const running = gate.attachment(first.run, signal);
    const waiting = gate.gc(gc.run, controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    first.end();
    await running;
    assert.equal(gc.started, false);
  });

  it('opens again after a failure', async () => {
    const gate = new GcGate();
    const fail = (): Promise<void> => Promise.reject(new Error('no'));
    await assert.rejects(gate.gc(fail, signal), /no/);
    await assert.rejects(gate.attachment(fail, signal), /no/);
    await gate.gc(() => Promise.resolve(), signal);
  });
});
