import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FLAG, FRAME, PREFACE, callHeaders, frame, header } from '../../support/http2-frames.js';
import { grpcFrame } from '../../support/wire.js';

const LIST_CONTAINERS = '/runtime.v1.RuntimeService/ListContainers';
const NOTHING = Buffer.alloc(0);
/** What is said slowly takes this long in all. */
const SLOW_MS = 1_000;
/** An attack that the server holds up is over after this. */
const LONGEST_MS = 2_000;

/** An attack on one connection; it writes what it likes, and its connection is cut when it returns. */
type Attack = (socket: Socket) => Promise<void>;

/** What clients may do to an HTTP/2 server below gRPC; each is carried out on a connection of its own. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'headers never ended': async (socket) => {
    socket.write(begin(frame(FRAME.headers, 0, 1, header(':method', 'POST'))));
    for (let times = 0; times < 500; times += 1)
      await say(socket, frame(FRAME.continuation, 0, 1, header('a', 'b')));
    await delay(SLOW_MS);
  },
  'headers without end, as fast as they go': async (socket) => {
    socket.write(begin(frame(FRAME.headers, 0, 1, header(':method', 'POST'))));
    const more = frame(FRAME.continuation, 0, 1, header('x'.repeat(100), 'y'.repeat(8_000)));
    for (let times = 0; times < 2_000; times += 1) await say(socket, more);
  },
  'a window that never opens': async (socket) => {
    const INITIAL_WINDOW_SIZE = Buffer.from([0, 4, 0, 0, 0, 0]);
    socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, INITIAL_WINDOW_SIZE)]));
    for (let stream = 1; stream < 200; stream += 2) await say(socket, call(stream));
    await delay(SLOW_MS);
  },
  'one byte at a time': async (socket) => {
    const bytes = begin(call(1));
    for (const byte of bytes) {
      await say(socket, Buffer.of(byte));
      await delay(SLOW_MS / bytes.length);
    }
  },
  'replies that are never read': async (socket) => {
    socket.pause();
    socket.write(begin(NOTHING));
    for (let stream = 1; stream < 2_000; stream += 2) await say(socket, call(stream));
    await delay(SLOW_MS);
  },
  pings: (socket) => flood(socket, 20_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
  settings: (socket) => flood(socket, 10_000, () => frame(FRAME.settings, 0, 0, NOTHING)),
  'streams begun and reset': (socket) =>
    flood(socket, 5_000, (number) =>
      Buffer.concat([
        call(2 * number + 1),
        frame(FRAME.resetStream, 0, 2 * number + 1, Buffer.from([0, 0, 0, 8])),
      ]),
    ),
  'streams that only begin': (socket) =>
    flood(socket, 5_000, (number) =>
      frame(FRAME.headers, FLAG.endHeaders, 2 * number + 1, callHeaders(LIST_CONTAINERS)),
    ),
  'empty data': async (socket) => {
    socket.write(begin(frame(FRAME.headers, FLAG.endHeaders, 1, callHeaders(LIST_CONTAINERS))));
    await flood(socket, 20_000, () => frame(FRAME.data, 0, 1, NOTHING));
  },
  'windows opened too far': async (socket) => {
    socket.write(begin(frame(FRAME.headers, FLAG.endHeaders, 1, callHeaders(LIST_CONTAINERS))));
    await flood(socket, 10, (number) =>
      frame(FRAME.windowUpdate, 0, number % 2, Buffer.from([0x7f, 255, 255, 255])),
    );
  },
  priorities: (socket) =>
    flood(socket, 20_000, (number) =>
      frame(FRAME.priority, 0, (number % 500) * 2 + 1, Buffer.from([0, 0, 0, 0, 9])),
    ),
  'frames of unknown kinds': (socket) =>
    flood(socket, 5_000, (number) => frame(10 + (number % 240), 0xff, number, Buffer.alloc(9))),
  'a frame longer than allowed': async (socket) => {
    await say(socket, begin(frame(FRAME.data, 0, 1, Buffer.alloc(2 ** 20))));
  },
  'a message longer than the limit': async (socket) => {
    socket.write(begin(frame(FRAME.headers, FLAG.endHeaders, 1, callHeaders(LIST_CONTAINERS))));
    const head = grpcFrame(NOTHING, { length: 2 ** 32 - 1 });
    await say(socket, frame(FRAME.data, 0, 1, head));
    await flood(socket, 1_000, () => frame(FRAME.data, 0, 1, Buffer.alloc(16_384)));
  },
  'half a frame': async (socket) => say(socket, begin(call(1)).subarray(0, -3)),
  'no HTTP/2 at all': async (socket) => say(socket, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')),
  TLS: async (socket) => say(socket, Buffer.from('16030100c8010000c40303'.padEnd(400, '0'), 'hex')),
  nothing: async () => delay(SLOW_MS),
};

/** Carries out one attack; resolves when it is over, or the server has cut it short. */
export async function attack(socketPath: string, carryOut: Attack): Promise<void> {
  const socket = connect(socketPath);
  socket.on('error', () => undefined); // the server's answer to most
  await once(socket, 'connect');
  socket.resume();
  await Promise.race([carryOut(socket), delay(LONGEST_MS)]);
  socket.destroy();
}

async function flood(socket: Socket, count: number, piece: (number: number) => Buffer): Promise<void> {
  socket.write(begin(NOTHING));
  for (let number = 0; number < count; number += 1) await say(socket, piece(number));
}

/** Writes, and waits where the server takes nothing more; not for ever. */
async function say(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed || socket.write(bytes)) return;
  await once(socket, 'drain', { signal: AbortSignal.timeout(200) }).catch(() => undefined);
}

function begin(more: Buffer): Buffer {
  return Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, NOTHING), more]);
}

function call(stream: number): Buffer {
  return Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, stream, callHeaders(LIST_CONTAINERS)),
    frame(FRAME.data, FLAG.endStream, stream, grpcFrame(NOTHING)),
  ]);
}
