import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { GcSchedule } from '../../../../src/network/cni/gc-schedule.js';

const MINUTE_MS = 60_000;

describe('GcSchedule', () => {
  let nowMs = 0;
  const schedule = (): GcSchedule => {
    nowMs = 0;
    return new GcSchedule(() => nowMs);
  };

  it('is due at once, then every hour', () => {
    const hourly = schedule();
    assert.equal(hourly.isDue('a'), true);
    hourly.succeeded();
    nowMs += 59 * MINUTE_MS;
    assert.equal(hourly.isDue('a'), false);
    nowMs += MINUTE_MS;
    assert.equal(hourly.isDue('a'), true);
  });

  it('stays due while it has not run', () => {
    const waiting = schedule();
    assert.deepEqual([waiting.isDue('a'), waiting.isDue('a')], [true, true]);
  });

  it('backs off after failures, up to a day, until one succeeds', () => {
    const failing = schedule();
    assert.equal(failing.isDue('a'), true);
    const backOffs = Array.from({ length: 9 }, () => failing.failed() / MINUTE_MS);
    assert.deepEqual(backOffs, [10, 20, 40, 80, 160, 320, 640, 1280, 1440]);
    nowMs += 1439 * MINUTE_MS;
    assert.equal(failing.isDue('a'), false);
    failing.succeeded();
    assert.equal(failing.failed(), 10 * MINUTE_MS);
  });

  it('starts anew with another configuration', () => {
    const changed = schedule();
    changed.isDue('a');
    changed.failed();
    assert.deepEqual([changed.isDue('a'), changed.isDue('b'), changed.isDue('b')], [false, true, true]);
    assert.equal(changed.failed(), 10 * MINUTE_MS);
  });
});
