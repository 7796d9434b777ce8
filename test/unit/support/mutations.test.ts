import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { MAX_MUTATED_BYTES, mutateRequest } from '../../fault/fuzz/mutations.js';
import { seededRandom } from '../../support/random.js';

const ROUNDS = 3_000;
const { root } = protobuf.parse(`syntax = "proto3"; package t;
  message Outer { Inner inner = 1; repeated string texts = 2; map<string, string> labels = 3; int64 number = 4; }
  message Inner { Outer outer = 1; string text = 2; map<string, string> labels = 3; }`);
const outer = root.resolveAll().lookupType('t.Outer');

describe('requests that the fuzzer makes', () => {
  /** One of 316 MB held up the fuzzer for ten seconds, and all its other requests were blamed on cridock. */
  it('are no longer than what both sides can take in at once', () => {
    const texts = ['x', 'y'.repeat(200_000)];
    const valid = outer.encode(outer.fromObject({ inner: { text: 'a' }, texts, number: 7 })).finish();
    for (let seed = 0; seed < ROUNDS; seed += 1) {
      const { bytes, kinds } = mutateRequest(seededRandom(seed), valid, outer, ['word']);
      assert.ok(bytes.length <= MAX_MUTATED_BYTES, `seed ${seed}, ${kinds.join('+')}: ${bytes.length} bytes`);
    }
  });
});
