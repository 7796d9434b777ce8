import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { EventLedger } from '../../../../src/state/event-ledger.js';
import { EventFollowing } from '../../../../src/state/mirror/event-following.js';
import type { EngineEvent } from '../../../../src/docker/types.js';

const START_MS = 1_800_000_000_000;

function event(id: string, action: string, atMs = START_MS, name = id): EngineEvent {
  return {
    Type: 'container',
    Action: action,
    Actor: { ID: id, Attributes: { name } },
    timeNano: BigInt(atMs) * 1_000_000n,
  };
}

describe('EventFollowing', () => {
  function begin(t: TestContext) {
    t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: START_MS });
    const ledger = new EventLedger();
    const read: string[] = [];
    const gone: string[] = [];
    const following = new EventFollowing(ledger, {
      read: (id) => void read.push(id),
      gone: (id) => void gone.push(id),
    });
    return { ledger, following, read, gone };
  }

  it('has an object read once for the events of one change, and each object for its own', (t) => {
    const { following, read } = begin(t);
    for (const action of ['kill', 'die', 'update']) following.note(event('a', action));
    following.note(event('b', 'die'));
    t.mock.timers.tick(3);
    assert.deepEqual(read, ['a', 'b']);
    following.note(event('a', 'pause'));
    t.mock.timers.tick(3);
    assert.deepEqual(read, ['a', 'b', 'a']);
  });

  it('takes the word of Docker for a removal, and has nothing read that it told before', (t) => {
    const { following, read, gone } = begin(t);
    following.note(event('a', 'die'));
    following.note(event('a', 'destroy'));
    assert.deepEqual(gone, ['a']);
    t.mock.timers.tick(3);
    assert.deepEqual(read, []);
  });

  it('has nothing read during a write that reads what it does, but for what it leaves', async (t) => {
    const { ledger, following, read } = begin(t);
    await following.during('pod', async () => {
      following.note(event('made', 'create', START_MS, 'pod'));
      following.note(event('made', 'start', START_MS, 'pod'));
      following.note(event('other', 'start'));
      t.mock.timers.tick(3);
      assert.deepEqual(read, ['other']);
      t.mock.timers.tick(1);
      ledger.show(
        ledger.begin('made'),
        { inspect: { State: { StartedAt: '2027-01-15T08:00:00Z' } } } as never,
        undefined,
      );
      return Promise.resolve();
    });
    assert.deepEqual(read, ['other']);
    await assert.rejects(
      following.during('pod', () => {
        following.note(event('made', 'die', START_MS + 10, 'pod'));
        return Promise.reject(new Error('it could not'));
      }),
    );
    assert.deepEqual(read, ['other', 'made']);
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
