import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

const FIRST_BYTES = 64 * 1024;
const MOST_BYTES = 1024 * 1024;
/** A connection that fills its buffer so many times in a row gets a larger one, as each read costs much the same. */
const FULL_READS = 4;

/**
 * Reads a connection into one buffer again and again. Node allocates a new one for each read, and at some hundred MB/s
 * its collector then takes more time than the bytes. `onBytes` gets what was read, and says whether it has done with
 * it; otherwise the bytes stay there, and no more are read, until `resume` is called, as it must be to begin with.
 * What is answered is to be used in place of the connection, of which nothing may have been read; it keeps a half-open
 * connection, and is destroyed with the other. `first` is what it is read into to begin with.
 *
 * Node takes a buffer only for connections that it makes itself: for others this uses the handle, which is not part of its
 * API. A connection whose handle is not the known one, or with TLS, is read as Node reads, which is slower.
 */
export function readInto(
  connection: Duplex,
  onBytes: (bytes: Buffer) => boolean,
  first: Buffer = readBuffer(),
): Duplex {
  const reading = hasKnownHandle(connection) ? rebuilt(connection, onBytes, first) : connection.pause();
  // Also what came with the head of an HTTP answer, before there was a buffer.
  reading.on('data', (bytes: Buffer) => {
    if (!onBytes(bytes)) reading.pause();
  });
  return reading;
}

/** True for a connection whose handle can be given to a new socket. */
export function hasKnownHandle(connection: Duplex): connection is Socket {
  if (!(connection instanceof Socket) || connection instanceof TLSSocket) return false;
  const handle: unknown = Reflect.get(connection, '_handle');
  return (
    typeof handle === 'object' &&
    handle !== null &&
    ['readStart', 'readStop', 'useUserBuffer'].every(
      (name) => typeof Reflect.get(handle, name) === 'function',
    )
  );
}

/** What a connection is read into, unless it turns out to be busy. */
export function readBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(FIRST_BYTES);
}

/** The connection as a new socket, with a buffer. */
function rebuilt(connection: Socket, onBytes: (bytes: Buffer) => boolean, first: Buffer): Socket {
  const early = connection.read() as Buffer | null;
  let buffer = first;
  let fullReads = 0;
  const callback = (length: number): boolean => {
    const goOn = onBytes(buffer.subarray(0, length));
    fullReads = length === buffer.length ? fullReads + 1 : 0;
    if (fullReads === FULL_READS && length < MOST_BYTES) {
      buffer = Buffer.allocUnsafeSlow(2 * length);
      fullReads = 0;
    }
    return goOn;
  };
  const handle: unknown = Reflect.get(connection, '_handle');
  Reflect.set(connection, '_handle', null);
  const onread = { buffer: () => buffer, callback };
  // The types know of no handle but a bound socket.
  const options: object = { handle, onread, allowHalfOpen: true, pauseOnCreate: true };
  const socket = new Socket(options);
  connection.once('close', () => socket.destroy());
  if (early !== null) socket.unshift(early);
  return socket;
}
