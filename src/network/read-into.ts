import { Socket } from 'node:net';

/**
 * Moves a connection to a socket that reads into one buffer again and again. Node allocates a new one for each read, and
 * at some hundred MB/s its collector then takes more time than the bytes. `onBytes` gets what was read, and nothing more
 * is read until `resume` is called. The new socket is paused and keeps half-open connections; the old one, of which
 * nothing may have been read, is of no more use.
 *
 * Node takes a buffer only for connections that it makes itself: for those that came from another process this uses
 * the handle, which is not part of its API. A test tells when it no longer works.
 */
export function readInto(socket: Socket, buffer: Buffer, onBytes: (bytes: Buffer) => void): Socket {
  const callback = (length: number): boolean => {
    onBytes(buffer.subarray(0, length));
    return false;
  };
  const handle: unknown = Reflect.get(socket, '_handle');
  Reflect.set(socket, '_handle', null);
  const options = { handle, onread: { buffer, callback }, allowHalfOpen: true, pauseOnCreate: true };
  return new Socket(options);
}
