import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Demultiplexer } from '../../../src/docker/demux.js';
import { frame } from '../../support/frames.js';

describe('Demultiplexer, for any frames cut anywhere', () => {
  it('gives each stream its bytes, in order', () => {
    const frames = fc.array(
      fc.record({ stream: fc.constantFrom(1, 2), payload: fc.uint8Array({ maxLength: 40 }) }),
      {
        maxLength: 30,
      },
    );
    const cuts = fc.array(fc.nat({ max: 1500 }), { maxLength: 60 });
    const property = fc.property(frames, cuts, (list, cutList) => {
      const bytes = Buffer.concat(list.map(({ stream, payload }) => frame(stream, Buffer.from(payload))));
      const out = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
      const demultiplexer = new Demultiplexer((stream, piece) => out[stream].push(piece));
      const ends = [...cutList.toSorted((a, b) => a - b), bytes.length];
      let at = 0;
      for (const end of ends) {
        demultiplexer.push(bytes.subarray(at, Math.max(at, end)));
        at = Math.min(Math.max(at, end), bytes.length);
      }
      const sent = (number: number) =>
        Buffer.concat(list.filter(({ stream }) => stream === number).map(({ payload }) => payload));
      assert.deepEqual(Buffer.concat(out.stdout), sent(1));
      assert.deepEqual(Buffer.concat(out.stderr), sent(2));
      assert.ok(demultiplexer.atBoundary);
    });
    fc.assert(property, { seed: 20_261_122, numRuns: 500 });
  });
});
