import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { EventLedger } from '../../../../src/state/event-ledger.js';
import { EventFollowing } from '../../../../src/state/mirror/event-following.js';
import type { EngineEvent } from '../../../../src/docker/types.js';

const START_MS = 1_800_000_000_000;

function event(id: string, action: string, atMs = START_MS): EngineEvent {
  return {
    Type: 'container',
    Action: action,
    Actor: { ID: id, Attributes: {} },
    timeNano: BigInt(atMs) * 1_000_000n,
  };
}

describe('EventFollowing', () => {
  function begin(t: TestContext): { ledger: EventLedger; following: EventFollowing; read: string[] } {
    t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: START_MS });
    const ledger = new EventLedger();
    const read: string[] = [];
    return { ledger, following: new EventFollowing(ledger, (id) => void read.push(id)), read };
  }

  it('has an object read once for the events of one change, and each object for its own', (t) => {
    const { following, read } = begin(t);
    for (const action of ['kill', 'die', 'stop']) following.note(event('a', action));
    following.note(event('b', 'die'));
    t.mock.timers.tick(3);
    assert.deepEqual(read, ['a', 'b']);
    following.note(event('a', 'destroy'));
    t.mock.timers.tick(3);
    assert.deepEqual(read, ['a', 'b', 'a']);
  });

  it('leaves out what a reading has begun for since the event came', (t) => {
    const { ledger, following, read } = begin(t);
    following.note(event('a', 'die', START_MS - 5));
    ledger.begin('a');
    t.mock.timers.tick(3);
    assert.deepEqual(read, []);
  });

  it('knows when the last event came, whatever it told of', (t) => {
    const { ledger, following } = begin(t);
    ledger.begin('a');
    const beforeMs = performance.now();
    following.note(event('a', 'die', START_MS - 5));
    assert.ok(following.lastMs >= beforeMs);
  });
});
