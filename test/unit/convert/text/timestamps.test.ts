import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTimeNs } from '../../../../src/convert/text/timestamps.js';
import { CriError } from '../../../../src/util/cri-error.js';

describe('parseTimeNs', () => {
  it('keeps every nanosecond, with any number of digits', () => {
    assert.equal(parseTimeNs('2026-11-22T10:47:21.843045313Z'), 1_795_344_441_843_045_313n);
    assert.equal(parseTimeNs('2026-11-22T10:47:21.84Z'), 1_795_344_441_840_000_000n);
    assert.equal(parseTimeNs('2026-11-22T10:47:21Z'), 1_795_344_441_000_000_000n);
  });

  it('takes zones into account', () => {
    assert.equal(parseTimeNs('1970-01-01T01:30:00.000000001+01:30'), 1n);
  });

  it('reads "never" as 0', () => {
    assert.equal(parseTimeNs('0001-01-01T00:00:00Z'), 0n);
    assert.equal(parseTimeNs(''), 0n);
  });

  it('refuses what is no time', () => {
    for (const text of [
      'yesterday',
      '2026-13-01T00:00:00Z',
      '2026-11-22T10:47:21',
      '2026-11-22T10:47:21.Z',
    ]) {
      assert.throws(() => parseTimeNs(text), CriError, text);
    }
  });
});
