import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Demultiplexer } from '../../../src/docker/demux.js';
import { frame } from '../../support/frames.js';

describe('Demultiplexer', () => {
  it('takes 10,000 small frames in one chunk', () => {
    let stdout = '';
    const demultiplexer = new Demultiplexer((stream, piece) => {
      assert.equal(stream, 'stdout');
      stdout += piece.toString();
    });
    demultiplexer.push(Buffer.concat(Array.from({ length: 10_000 }, () => frame(1, Buffer.from('x')))));
    assert.equal(stdout, 'x'.repeat(10_000));
    assert.ok(demultiplexer.atBoundary);
  });

  it('hands on a payload before all of it is there', () => {
    const pieces: string[] = [];
    const demultiplexer = new Demultiplexer((stream, piece) => pieces.push(`${stream} ${piece.toString()}`));
    const bytes = frame(2, Buffer.from('abcdef'));
    demultiplexer.push(bytes.subarray(0, 10));
    assert.deepEqual(pieces, ['stderr ab']);
    assert.ok(!demultiplexer.atBoundary);
    demultiplexer.push(bytes.subarray(10));
    assert.deepEqual(pieces, ['stderr ab', 'stderr cdef']);
  });

  it('skips empty frames and refuses streams other than stdout and stderr', () => {
    const demultiplexer = new Demultiplexer(() => assert.fail('nothing to hand on'));
    demultiplexer.push(frame(1, Buffer.alloc(0)));
    assert.ok(demultiplexer.atBoundary);
    assert.throws(() => demultiplexer.push(Buffer.from('plain text')), /unknown stream 112/);
  });
});
