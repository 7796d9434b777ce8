import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineEvent } from '../../../src/docker/types.js';
import { EventLedger } from '../../../src/state/event-ledger.js';

const SECOND_NS = 1_000_000_000n;
const START_MS = 1_800_000_000_000;

function event(action: string, atMs: number): EngineEvent {
  return {
    Type: 'container',
    Action: action,
    Actor: { ID: 'a', Attributes: {} },
    timeNano: BigInt(atMs) * 1_000_000n,
  };
}

describe('EventLedger', () => {
  it('asks for no reading for what happened before the last one began', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: START_MS });
    const ledger = new EventLedger();
    assert.equal(ledger.tell(event('create', START_MS - 10)), true);
    ledger.begin('a');
    assert.equal(ledger.tell(event('create', START_MS - 10)), false);
    assert.equal(ledger.tell(event('stop', START_MS + 10)), true);
    assert.equal(ledger.isRead('a', BigInt(START_MS) * 1_000_000n - SECOND_NS), true);
  });

  it('asks for a reading after the clock was put back', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: START_MS });
    const ledger = new EventLedger();
    ledger.begin('a');
    t.mock.timers.setTime(START_MS - 3_600_000);
    assert.equal(ledger.tell(event('die', START_MS - 3_600_000)), true);
  });
});
