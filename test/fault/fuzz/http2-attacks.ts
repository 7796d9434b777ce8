import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { grpcFrame } from '../../support/wire.js';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 2, 3, 4, 6, 8, 9,
];
const END_STREAM = 1;
const END_HEADERS = 4;
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
    socket.write(begin(frame(HEADERS, 0, 1, header(':method', 'POST'))));
    for (let times = 0; times < 500; times += 1)
      await say(socket, frame(CONTINUATION, 0, 1, header('a', 'b')));
    await delay(SLOW_MS);
  },
  'headers without end, as fast as they go': async (socket) => {
    socket.write(begin(frame(HEADERS, 0, 1, header(':method', 'POST'))));
    const more = frame(CONTINUATION, 0, 1, header('x'.repeat(100), 'y'.repeat(8_000)));
    for (let times = 0; times < 2_000; times += 1) await say(socket, more);
  },
  'a window that never opens': async (socket) => {
    const INITIAL_WINDOW_SIZE = Buffer.from([0, 4, 0, 0, 0, 0]);
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, INITIAL_WINDOW_SIZE)]));
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
  pings: (socket) => flood(socket, 20_000, () => frame(PING, 0, 0, Buffer.alloc(8))),
  settings: (socket) => flood(socket, 10_000, () => frame(SETTINGS, 0, 0, NOTHING)),
  'streams begun and reset': (socket) =>
    flood(socket, 5_000, (number) =>
      Buffer.concat([call(2 * number + 1), frame(RST_STREAM, 0, 2 * number + 1, Buffer.from([0, 0, 0, 8]))]),
    ),
  'streams that only begin': (socket) =>
    flood(socket, 5_000, (number) => frame(HEADERS, END_HEADERS, 2 * number + 1, callHeaders())),
  'empty data': async (socket) => {
    socket.write(begin(frame(HEADERS, END_HEADERS, 1, callHeaders())));
    await flood(socket, 20_000, () => frame(DATA, 0, 1, NOTHING));
  },
  'windows opened too far': async (socket) => {
    socket.write(begin(frame(HEADERS, END_HEADERS, 1, callHeaders())));
    await flood(socket, 10, (number) =>
      frame(WINDOW_UPDATE, 0, number % 2, Buffer.from([0x7f, 255, 255, 255])),
    );
  },
  priorities: (socket) =>
    flood(socket, 20_000, (number) =>
      frame(PRIORITY, 0, (number % 500) * 2 + 1, Buffer.from([0, 0, 0, 0, 9])),
    ),
  'frames of unknown kinds': (socket) =>
    flood(socket, 5_000, (number) => frame(10 + (number % 240), 0xff, number, Buffer.alloc(9))),
  'a frame longer than allowed': async (socket) => {
    await say(socket, begin(frame(DATA, 0, 1, Buffer.alloc(2 ** 20))));
  },
  'a message longer than the limit': async (socket) => {
    socket.write(begin(frame(HEADERS, END_HEADERS, 1, callHeaders())));
    const head = grpcFrame(NOTHING, { length: 2 ** 32 - 1 });
    await say(socket, frame(DATA, 0, 1, head));
    await flood(socket, 1_000, () => frame(DATA, 0, 1, Buffer.alloc(16_384)));
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
  return Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, NOTHING), more]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function call(stream: number): Buffer {
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, stream, callHeaders()),
    frame(DATA, END_STREAM, stream, grpcFrame(NOTHING)),
  ]);
}

function callHeaders(): Buffer {
  return Buffer.concat([
    header(':method', 'POST'),
    header(':scheme', 'http'),
    header(':path', LIST_CONTAINERS),
    header(':authority', 'localhost'),
    header('content-type', 'application/grpc'),
    header('te', 'trailers'),
  ]);
}

/** A header as HPACK writes it without its tables (RFC 7541, 6.2.2). */
function header(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), hpackText(name), hpackText(value)]);
}

function hpackText(text: string): Buffer {
  const length: number[] = [];
  if (text.length < 127) length.push(text.length);
  else {
    length.push(127);
    let rest = text.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text)]);
}
