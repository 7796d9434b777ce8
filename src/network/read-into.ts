import { Socket } from 'node:net';

const FIRST_BYTES = 64 * 1024;
const MOST_BYTES = 1024 * 1024;
/** A connection that fills its buffer so many times in a row gets a larger one, as each read costs much the same. */
const FULL_READS = 4;

/**
 * Moves a connection to a socket that reads into one buffer again and again. Node allocates a new one for each read, and
 * at some hundred MB/s its collector then takes more time than the bytes. `onBytes` gets what was read, which stays
 * there until `resume` is called for more. The new socket is paused and keeps half-open connections; the old one,
 * of which nothing may have been read, is of no more use.
 *
 * Node takes a buffer only for connections that it makes itself: for those that came from another process this uses
 * the handle, which is not part of its API. A test tells when it no longer works.
 */
export function readInto(socket: Socket, onBytes: (bytes: Buffer) => void): Socket {
  let buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let fullReads = 0;
  const callback = (length: number): boolean => {
    onBytes(buffer.subarray(0, length));
    fullReads = length === buffer.length ? fullReads + 1 : 0;
    if (fullReads === FULL_READS && length < MOST_BYTES) {
      buffer = Buffer.allocUnsafeSlow(2 * length);
      fullReads = 0;
    }
    return false;
  };
  const handle: unknown = Reflect.get(socket, '_handle');
  Reflect.set(socket, '_handle', null);
  const onread = { buffer: () => buffer, callback };
  const options = { handle, onread, allowHalfOpen: true, pauseOnCreate: true };
  return new Socket(options);
}
