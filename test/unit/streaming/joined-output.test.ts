import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Demultiplexer } from '../../../src/docker/demux.js';
import { JoinedOutput } from '../../../src/streaming/joined-output.js';
import { frame } from '../../support/frames.js';

describe('JoinedOutput', () => {
  it('makes one piece of the frames of a stream that follow each other in a chunk', () => {
    const pieces: string[] = [];
    const joined = new JoinedOutput((stream, piece) => pieces.push(`${stream} ${piece.toString()}`));
    const demux = new Demultiplexer((stream, piece) => joined.add(stream, piece));
    const sent = [
      [1, 'ab'],
      [1, 'c'],
      [2, 'no'],
      [1, 'de'],
      [1, 'f'],
      [1, 'gh'],
    ] as const;
    const bytes = Buffer.concat(sent.map(([stream, text]) => frame(stream, Buffer.from(text))));
    const cut = bytes.length - 1;
    for (const chunk of [bytes.subarray(0, cut), Buffer.from(bytes.subarray(cut))]) {
      demux.push(chunk);
      joined.flush();
    }
    assert.deepEqual(pieces, ['stdout abc', 'stderr no', 'stdout defg', 'stdout h']);
  });

  it('hands on nothing when nothing came', () => {
    const joined = new JoinedOutput(() => assert.fail('nothing to hand on'));
    joined.add('stdout', Buffer.alloc(0));
    joined.flush();
    joined.flush();
  });
});
