import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import WebSocket from 'ws';
import { SpdyConnection } from '../../../src/streaming/spdy/connection.js';
import { FLAG_FIN, FrameReader, FrameType } from '../../../src/streaming/spdy/frame-reader.js';
import { dataHeader } from '../../../src/streaming/spdy/frames.js';
import { SpdyError } from '../../../src/streaming/spdy/spdy-error.js';
import type { Negotiate } from '../../../src/streaming/server.js';
import { acceptWebSocket } from '../../../src/streaming/websocket/accept.js';
import { Channels } from '../../../src/streaming/websocket/channels.js';
import { seededRandom } from '../../support/random.js';
import { controlFrame, synStream, upgrade } from '../../support/spdy-client.js';
import { EXEC, serveStreaming } from '../../support/streaming-fixture.js';

/** How many mutated frames, messages and requests, each; CRIDOCK_FUZZ=1000000 for the long run. */
const ROUNDS = Number(process.env['CRIDOCK_FUZZ'] ?? 20_000);
const SEED = 4;
const MIB = 1024 * 1024;

type Random = () => number;
const below = (random: Random, limit: number) => Math.floor(random() * limit);

/** Some bytes changed, cut out, doubled or put in. */
function mutate(random: Random, bytes: Buffer): Buffer {
  let mutated = Buffer.from(bytes);
  for (let times = below(random, 4); times > 0; times -= 1) {
    const at = below(random, mutated.length);
    const end = at + below(random, 12);
    const kind = below(random, 4);
    if (kind === 0 && mutated.length > 0) mutated[at] = below(random, 256);
    if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(end)]);
    if (kind === 2) mutated = Buffer.concat([mutated.subarray(0, end), mutated.subarray(at)]);
    if (kind === 3)
      mutated = Buffer.concat([
        mutated.subarray(0, at),
        Buffer.from([0x80, 3, 0, below(random, 12)]),
        mutated.subarray(at),
      ]);
  }
  return mutated;
}

/** A session as clients have it, one frame an entry. */
function sessionFrames(random: Random): Buffer[] {
  const types = ['error', 'stdin', 'stdout', 'data', 'resize'];
  const frames = types.map((streamtype, index) =>
    synStream(
      2 * index + 1,
      { streamtype, port: '80', requestid: '1' },
      index === 0,
      random() < 0.2 ? FLAG_FIN : 0,
    ),
  );
  for (let count = 0; count < 10; count += 1) {
    const id = below(random, 12);
    const payload = Buffer.alloc(below(random, 200), count);
    const fin = random() < 0.3 ? FLAG_FIN : 0;
    const word = Buffer.alloc(8);
    word.writeUInt32BE(id);
    const kinds = [
      () => Buffer.concat([dataHeader(id, fin, payload.length), payload]),
      () => controlFrame(FrameType.PING, 0, word.subarray(0, 4)),
      () => controlFrame(FrameType.RST_STREAM, 0, word),
      () => controlFrame(below(random, 12), below(random, 4), payload),
    ];
    frames.push(kinds[below(random, kinds.length)]?.() ?? payload);
  }
  return frames;
}

class Sink extends Duplex {
  written = 0;
  override _read(): void {
    // Fed by push.
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk.length;
    done();
  }
}

async function assertNoGrowth(work: () => Promise<void>): Promise<void> {
  const before = process.memoryUsage().heapUsed;
  await work();
  await new Promise((resolve) => setImmediate(resolve));
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 64 * MIB, `the heap grew by ${(grown / MIB).toFixed(0)} MiB`);
}

describe('hostile bytes', () => {
  it('SPDY frames are the same however they are cut', () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 300; round += 1) {
      const bytes = Buffer.concat(sessionFrames(random));
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

  it(`${ROUNDS} mutated SPDY frames break no more than their connection`, async () => {
    const random = seededRandom(SEED);
    let closed = 0;
    let connections = 0;
    await assertNoGrowth(async () => {
      for (let frames = 0; frames < ROUNDS;) {
        const socket = new Sink();
        connections += 1;
        const connection = new SpdyConnection(socket, {
          maxStreams: 4,
          idleTimeoutMs: 60_000,
          onStream: (stream) => {
            if (random() < 0.7) stream.resume();
            if (random() < 0.5) stream.end('answer');
            stream.on('error', (error) => assert.fail(error));
          },
          onClose: () => (closed += 1),
        });
        for (const frame of sessionFrames(random)) {
          frames += 1;
          if (socket.destroyed) break;
          socket.push(random() < 0.5 ? frame : mutate(random, frame));
          if (random() < 0.1) await new Promise((resolve) => setImmediate(resolve));
        }
        await new Promise((resolve) => setImmediate(resolve));
        connection.close();
        assert.ok(socket.written < 100_000);
      }
    });
    assert.equal(closed, connections);
  });

  it('answers that nobody reads end the connection', () => {
    const socket = new (class extends Sink {
      override _write(): void {
        // Never done: the peer reads nothing.
      }
    })();
    let problem: string | undefined;
    new SpdyConnection(socket, {
      maxStreams: 4,
      idleTimeoutMs: 60_000,
      onStream: () => undefined,
      onClose: (reason) => (problem = reason),
    });
    const ping = controlFrame(FrameType.PING, 0, Buffer.of(0, 0, 0, 1));
    for (let count = 0; count < 100_000 && problem === undefined; count += 1) socket.emit('data', ping);
    assert.equal(problem, 'the peer reads nothing');
    assert.throws(
      () =>
        new FrameReader({ onData: () => undefined, onControl: () => undefined }).push(
          Buffer.from('80030001ffffffff', 'hex'),
        ),
      SpdyError,
    );
  });

  it(`${ROUNDS} WebSocket messages of all kinds do no harm`, async (t) => {
    const random = seededRandom(SEED);
    const forms = ['v5.channel.k8s.io', 'v4.base64.channel.k8s.io'];
    const negotiate: Negotiate = (request) => async (socket, head) => {
      const base64 = request.headers['x-form'] === forms[1];
      const webSocket = await acceptWebSocket(request, socket, head, '');
      if (webSocket === undefined) return;
      await new Promise<void>((resolve) => {
        const options = { base64, closes: !base64, count: 5, idleTimeoutMs: 60_000, onClose: resolve };
        const channels = new Channels(webSocket, socket, options);
        for (let number = 0; number < 5; number += 1) channels.get(number).resume();
      });
    };
    const { server } = await serveStreaming(t, negotiate);
    const untouched = server.urlFor(EXEC);
    await assertNoGrowth(async () => {
      for (let messages = 0; messages < ROUNDS;) {
        const form = forms[below(random, 2)] ?? '';
        const client = new WebSocket(server.urlFor(EXEC).replace('http', 'ws'), {
          headers: { 'X-Form': form },
        });
        client.on('error', () => undefined);
        const closed = once(client, 'close');
        await once(client, 'open');
        for (let count = 0; count < 2_000; count += 1) {
          messages += 1;
          const bytes = Buffer.from(Array.from({ length: below(random, 20) }, () => below(random, 256)));
          client.send(random() < 0.5 ? bytes : bytes.toString('latin1'), {
            binary: random() < 0.5,
            compress: false,
          });
        }
        await new Promise<void>((resolve) => client.send('4', () => resolve()));
        // In the end something that is no frame at all.
        const raw = (client as unknown as { _socket: net.Socket })._socket;
        raw.end(mutate(random, Buffer.from('ffff00000000000000', 'hex')));
        client.terminate();
        await closed;
      }
    });
    (
      await upgrade(
        untouched,
        {
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
        },
        'GET',
      )
    ).socket.destroy();
  });

  it(`${Math.ceil(ROUNDS / 20)} mutated upgrade requests reach no session of another token`, async (t) => {
    const random = seededRandom(SEED);
    let served = 0;
    const { server, refused } = await serveStreaming(t, () => async (socket) => {
      served += 1;
      socket.destroy();
      return Promise.resolve();
    });
    let batches = 0;
    await assertNoGrowth(async () => {
      for (let round = 0; round < ROUNDS / 20;) {
        const url = new URL(server.urlFor(EXEC));
        const token = url.pathname.slice(-32);
        // A token lives a minute, so it is a new one that is guessed at from time to time.
        for (const end = round + 1_000; round < end; round += 1) {
          const guess = Buffer.from(token);
          guess[below(random, guess.length)] = 0x67; // no hexadecimal digit: never the token
          const path = url.pathname.replace(token, guess.toString());
          const text = `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`;
          const socket = net.connect(Number(url.port), url.hostname);
          socket.on('error', () => undefined).resume();
          socket.end(mutate(random, Buffer.from(text)));
          await once(socket, 'close');
        }
        assert.equal(served, batches);
        batches += 1;
        await assert.rejects(upgrade(url.href, { Upgrade: 'SPDY/3.1' }), { code: 'ECONNRESET' });
        assert.equal(served, batches, 'the token was left alone');
      }
    });
    assert.ok(refused.length > 0);
  });
});
