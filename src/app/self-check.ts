import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { keepReading } from '../docker/keep-reading.js';
import { hasKnownHandle, readInto } from '../network/read-into.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { within } from '../util/within.js';

/** Less than what a connection takes without being read. */
const SENT_BYTES = 10_000;
const TIMEOUT_MS = 10_000;

/**
 * Sees whether Node's connections are still as those who go beyond its API take them to be, and says in one line what is not:
 *
 * - `readInto` gives a connection's handle to a new socket. A handle that is not the known one is left alone, and each read
 *   takes a new buffer.
 * - `keepReading` has failed writes pass, by the functions that a stream is implemented with. Where that has no effect, output
 *   that follows a failed write of input is lost.
 *
 * What grpc-js is taken to be is seen where its hook is set. Never rejects; `open` connects to a port of this machine.
 */
export async function checkConnections(log: Logger, open = connectTo): Promise<void> {
  try {
    const pair = await connected(open);
    const isKnown = hasKnownHandle(pair.near);
    if (!isKnown)
      log.warn('Node has changed: connections are read with a new buffer each time, which is slower');
    const received = await readAfterFailedWrites(pair);
    if (received === SENT_BYTES) return;
    log.warn('Node has changed: output that follows a failed write of input may be lost', { received });
  } catch (error) {
    log.info('could not see whether connections are read as they should be', { reason: messageOf(error) });
  }
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

function connectTo(port: number): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true });
}

async function connected(open: (port: number) => Socket): Promise<Pair> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await once(server, 'listening', { signal });
    const arrived = once(server, 'connection', { signal });
    const near = open((server.address() as AddressInfo).port).pause();
    near.on('error', () => undefined); // what comes of it is counted
    const [[far]] = (await Promise.all([arrived, once(near, 'connect', { signal })])) as [[Socket], unknown];
    return { near, far };
  } finally {
    server.close();
  }
}

/** As an Engine does whose process ends with output under way and input that nobody read. Answers how much was read. */
async function readAfterFailedWrites({ near, far }: Pair): Promise<number> {
  let received = 0;
  const reading = readInto(near, (bytes) => {
    received += bytes.length;
    return true;
  });
  reading.on('error', () => undefined);
  keepReading(reading);
  far.on('error', () => undefined);
  const isOver = new Promise((resolve) => reading.once('end', resolve).once('close', resolve));
  try {
    await written(reading, 'never read');
    await written(far, Buffer.alloc(SENT_BYTES));
    const closed = once(far, 'close');
    far.destroy();
    await closed;
    for (const late of ['too late', 'and more']) await written(reading, late);
    reading.resume();
    await within(TIMEOUT_MS, isOver);
  } finally {
    near.destroy();
    reading.destroy();
    far.destroy();
  }
  return received;
}

/** Written, or failed. */
function written(stream: Duplex, data: string | Buffer): Promise<void> {
  return new Promise((resolve) => stream.write(data, () => resolve()));
}
