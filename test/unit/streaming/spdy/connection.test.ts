import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SpdyConnection } from '../../../../src/streaming/spdy/connection.js';
import type { SpdyStream } from '../../../../src/streaming/spdy/stream.js';
import { dataHeader } from '../../../../src/streaming/spdy/frames.js';
import { synStream } from '../../../support/spdy-client.js';

interface Served {
  readonly socket: Duplex;
  readonly streams: SpdyStream[];
  /** How many streams there were when it was over. */
  streamsAtClose: number | undefined;
}

/** A connection to a peer that reads everything. */
function serve(): Served {
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  });
  const served: Served = { socket, streams: [], streamsAtClose: undefined };
  new SpdyConnection(socket, {
    maxStreams: 10_000,
    idleTimeoutMs: 60_000,
    onStream: (stream) => served.streams.push(stream),
    onProblem: (problem) => assert.fail(problem),
    onClose: () => (served.streamsAtClose = served.streams.length),
  });
  return served;
}

/** What opens so many streams. */
function opening(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      synStream(2 * index + 1, { streamtype: 'data', port: '80', requestid: `${index}` }, index === 0),
    ),
  );
}

describe('a SPDY connection', () => {
  it('gives way to others while a chunk of many frames is read, and reads all of it, in order, before the end', async () => {
    const served = serve();
    served.socket.push(opening(1_000));
    served.socket.push(null);
    const steps: number[] = [];
    for (let before = 0; served.streamsAtClose === undefined;) {
      await turn();
      steps.push(served.streams.length - before);
      before = served.streams.length;
    }
    assert.ok(Math.max(...steps) <= 128, `streams by turn: ${steps.join(' ')}`);
    assert.deepEqual(
      served.streams.map(({ headers }) => headers.get('requestid')),
      Array.from({ length: 1_000 }, (_, index) => `${index}`),
    );
    assert.equal(served.streamsAtClose, 1_000);
  });

  it('reads the rest of a chunk also where a stream of it was slow to be read', async () => {
    const served = serve();
    const payload = Buffer.alloc(100_000);
    const data = [dataHeader(1, 0, payload.length), payload];
    served.socket.push(opening(1));
    await turn();
    const pieces = Array.from({ length: 500 }, () => [dataHeader(1, 0, 1), Buffer.of(7)]).flat();
    served.socket.push(Buffer.concat([...data, ...pieces]));
    await turn();
    const [stream] = served.streams;
    assert.ok(stream);
    let total = 0;
    stream.on('data', (bytes: Buffer) => (total += bytes.length));
    const turns: number[] = [];
    while (total < 100_500) {
      await turn();
      turns.push(total);
    }
    assert.ok(turns.length > 2, `in ${turns.length} turns`);
    assert.equal(total, 100_500);
    served.socket.destroy();
  });
});
