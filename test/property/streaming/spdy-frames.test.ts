import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { SpdyConnection } from '../../../src/streaming/spdy/connection.js';
import { FLAG_FIN, FrameReader, FrameType } from '../../../src/streaming/spdy/frame-reader.js';
import { dataHeader } from '../../../src/streaming/spdy/frames.js';
import { SpdyError } from '../../../src/streaming/spdy/frame-reader.js';
import { openWitness, serveEchoSessions } from '../../support/echo-sessions.js';
import {
  CHECK_EVERY,
  ROUNDS,
  SEED,
  assail,
  assertNoGrowth,
  below,
  mutate,
  pick,
  sendAll,
  upgradeRequest,
  type Random,
} from '../../support/hostile.js';
import { seededRandom } from '../../support/random.js';
import { controlFrame, synStream } from '../../support/spdy-client.js';
import { until } from '../../support/until.js';

const SPDY = { Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': 'v4.channel.k8s.io, portforward.k8s.io' };

/** The streams of an exec, or of a forwarded connection, as clients open them, and then frames of all kinds. */
function* sessionFrames(random: Random): Generator<Buffer> {
  const types = pick(random, [
    ['error', 'stdin', 'stdout', 'resize'],
    ['error', 'data'],
  ]);
  for (const [index, streamtype] of types.entries()) {
    const fin = random() < 0.2 ? FLAG_FIN : 0;
    yield synStream(2 * index + 1, { streamtype, port: '80', requestid: '1' }, index === 0, fin);
  }
  for (let count = 0; count < 40; count += 1) {
    const id = below(random, 12);
    const payload = Buffer.alloc(below(random, 200), count);
    const fin = random() < 0.1 ? FLAG_FIN : 0;
    const word = Buffer.alloc(8);
    word.writeUInt32BE(id);
    const kinds = [
      () => Buffer.concat([dataHeader(id, fin, payload.length), payload]),
      () => controlFrame(FrameType.PING, 0, word.subarray(0, 4)),
      () => controlFrame(FrameType.RST_STREAM, 0, word),
      () => controlFrame(below(random, 12), below(random, 4), payload),
    ] as const;
    yield pick(random, kinds)();
  }
}

function* mutatedFrames(random: Random): Generator<{ bytes: Buffer; mutated: boolean }> {
  for (const frame of sessionFrames(random)) {
    const mutated = random() < 0.7;
    yield { bytes: mutated ? mutate(random, frame) : frame, mutated };
  }
}

describe('hostile SPDY', () => {
  it('frames are the same however they are cut', () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 300; round += 1) {
      const bytes = Buffer.concat([...sessionFrames(random)]);
      const read = (cut: () => number): string => {
        const seen: string[] = [];
        const reader = new FrameReader({
          onData: (id, piece, fin) => {
            const last = seen.at(-1)?.match(/^data (\d+) ([0-9a-f]*) false$/);
            if (last && last[1] === String(id)) seen.pop();
            const joined = last && last[1] === String(id) ? (last[2] ?? '') : '';
            seen.push(`data ${id} ${joined}${piece.toString('hex')} ${fin}`);
          },
          onControl: (type, flags, payload) =>
            seen.push(`control ${type} ${flags} ${payload.toString('hex')}`),
        });
        for (let at = 0; at < bytes.length;) {
          const end = at + cut();
          reader.push(bytes.subarray(at, end));
          at = end;
        }
        return seen.join('\n');
      };
      const whole = read(() => bytes.length);
      assert.equal(
        read(() => 1 + below(random, 30)),
        whole,
      );
    }
  });

  it(`${ROUNDS} mutated frames break no more than their connections`, async (t) => {
    const sessions = await serveEchoSessions(t);
    const witness = await openWitness(sessions);
    await witness.check();
    await assertNoGrowth(async () => {
      await assail(async (random, number) => {
        if (number % CHECK_EVERY === 0) await witness.check();
        const url = random() < 0.5 ? sessions.execUrl() : sessions.portForwardUrl();
        return sendAll(sessions.connect(), upgradeRequest(new URL(url), SPDY), mutatedFrames(random));
      });
      await until('only the witness is left', () => sessions.open() === 1);
      await witness.check();
      await until('only the witness is left', () => sessions.open() === 1);
    });
    witness.close();
  });

  it('answers that nobody reads end the connection', async () => {
    const socket = new Duplex({
      read: () => undefined,
      write: () => undefined, // never done: the peer reads nothing
    });
    let problem: string | undefined;
    new SpdyConnection(socket, {
      maxStreams: 4,
      idleTimeoutMs: 60_000,
      onStream: () => undefined,
      onProblem: (reason) => (problem = reason),
      onClose: () => undefined,
    });
    const ping = controlFrame(FrameType.PING, 0, Buffer.of(0, 0, 0, 1));
    socket.push(Buffer.concat(Array.from({ length: 100_000 }, () => ping)));
    await until('it is given up', () => problem !== undefined);
    assert.equal(problem, 'the client reads nothing');
  });

  it('a control frame that is too large is not read', () => {
    const reader = new FrameReader({ onData: () => undefined, onControl: () => undefined });
    assert.throws(() => reader.push(Buffer.from('80030001ffffffff', 'hex')), SpdyError);
  });
});
