import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { ByteBudget } from '../util/byte-budget.js';

const FIRST_BYTES = 64 * 1024;
const MOST_BYTES = 1024 * 1024;
/** A connection that fills its buffer so many times in a row gets a larger one, as each read costs much the same. */
const FULL_READS = 4;

/**
 * Reads a connection into one buffer again and again. Node allocates a new one for each read, and at some hundred MB/s
 * its collector then takes more time than the bytes. `onBytes` gets what was read, and says whether it has done with
 * it; otherwise the bytes stay there, and no more are read, until `resume` is called, as it must be to begin with.
 * What is answered is to be used in place of the connection, of which nothing may have been read; it keeps a half-open
 * connection, and is destroyed with the other.
 *
 * Node takes a buffer only for connections that it makes itself: for others this uses the handle, which is not part of its
 * API. A connection whose handle is not the known one, or with TLS, is read as Node reads, which is slower.
 */
export function readInto(
  connection: Duplex,
  onBytes: (bytes: Buffer) => boolean,
  buffer = new ReadBuffer(),
): Duplex {
  const reading = hasKnownHandle(connection) ? rebuilt(connection, onBytes, buffer) : connection.pause();
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

/** What a connection is read into: 64 KiB, and up to 1 MiB once it turns out to be busy. */
export class ReadBuffer {
  /** What it is to begin with; another connection can have it later. */
  readonly first: Buffer;
  readonly #room: ByteBudget | undefined;
  #bytes: Buffer;

  /** `room` is where it grows, if there is any left; nothing bounds it else. */
  constructor(first: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES), room?: ByteBudget) {
    this.first = first;
    this.#room = room;
    this.#bytes = first;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  grow(): void {
    const { length } = this.#bytes;
    if (length >= MOST_BYTES) return;
    const more = this.#room?.take(length) ?? length;
    if (more === length) this.#bytes = Buffer.allocUnsafeSlow(2 * length);
    else this.#room?.giveBack(more);
  }

  /** Nothing is read into it any more, and what was has been handed on. */
  release(): void {
    this.#room?.giveBack(this.#bytes.length - this.first.length);
    this.#bytes = this.first;
  }
}

/** The connection as a new socket, with a buffer. */
function rebuilt(connection: Socket, onBytes: (bytes: Buffer) => boolean, buffer: ReadBuffer): Socket {
  const early = connection.read() as Buffer | null;
  let fullReads = 0;
  const callback = (length: number): boolean => {
    const { bytes } = buffer;
    const goOn = onBytes(bytes.subarray(0, length));
    fullReads = length === bytes.length ? fullReads + 1 : 0;
    if (fullReads === FULL_READS) {
      buffer.grow();
      fullReads = 0;
    }
    return goOn;
  };
  const handle: unknown = Reflect.get(connection, '_handle');
  Reflect.set(connection, '_handle', null);
  const onread = { buffer: () => buffer.bytes, callback };
  // The types know of no handle but a bound socket.
  const options: object = { handle, onread, allowHalfOpen: true, pauseOnCreate: true };
  const socket = new Socket(options);
  connection.once('close', () => socket.destroy());
  if (early !== null) socket.unshift(early);
  return socket;
}
