import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from '../../../src/nri/gate.js';
import { deferred } from '../../../src/util/deferred.js';

const PATIENCE_MS = 60_000;

describe("NRI's gate", () => {
  it('those who wait to enter come between two that want to be alone', async () => {
    const gate = new Gate();
    const order: string[] = [];
    const first = deferred();
    const alone = (name: string, work: Promise<void>): Promise<void> =>
      gate.alone(PATIENCE_MS, async () => {
        order.push(name);
        await work;
      });
    const both = [alone('first', first.promise), alone('second', Promise.resolve())];
    const entered = (async () => {
      await gate.enter();
      order.push('entered');
      gate.leave();
    })();
    first.resolve();
    await Promise.all([...both, entered]);
    assert.deepEqual(order, ['first', 'entered', 'second']);
  });

  it('who gives up while it is held does not enter, and holds up nobody who wants to be alone', async () => {
    const gate = new Gate();
    const held = deferred();
    gate.holdUntil(held.promise);
    const caller = new AbortController();
    const waiting = gate.enter(caller.signal);
    caller.abort(new Error('given up'));
    await assert.rejects(waiting ?? Promise.resolve(), /given up/);
    held.resolve();
    assert.equal(await gate.alone(0, () => Promise.resolve('alone')), 'alone');
  });

  it('nobody enters once it is closed', async () => {
    const gate = new Gate();
    const only = deferred();
    const alone = gate.alone(PATIENCE_MS, () => only.promise);
    const waiting = gate.enter();
    gate.close();
    assert.throws(() => gate.enter(), /cridock is being stopped/);
    only.resolve();
    await alone;
    await assert.rejects(waiting ?? Promise.resolve(), /cridock is being stopped/);
  });
});
