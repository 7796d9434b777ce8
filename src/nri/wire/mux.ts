import { ByteQueue } from './byte-queue.js';
import { MAX_MESSAGE_BYTES } from './ttrpc-frames.js';

/** The connections within one of NRI's. */
export const PLUGIN_CONNECTION = 1;
export const RUNTIME_CONNECTION = 2;

/** Connection and length of the payload, both big endian. */
const HEADER_BYTES = 8;
/** The reader of containerd's plugins reads a message's beginning into a buffer of this size, and the rest directly. */
const READ_AHEAD_BYTES = 4096;

/**
 * Takes frames apart as their bytes come, and hands on what is in them. Connections that nobody knows are passed over, as the
 * reference does. `push` throws an Error for a frame that is too long.
 */
export class MuxReader {
  readonly #bytes = new ByteQueue();
  readonly #onPayload: (connection: number, payload: Buffer) => void;

  constructor(onPayload: (connection: number, payload: Buffer) => void) {
    this.#onPayload = onPayload;
  }

  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
    while (this.#bytes.length >= HEADER_BYTES) {
      const header = this.#bytes.peek(HEADER_BYTES);
      const connection = header.readUInt32BE(0);
      const length = header.readUInt32BE(4);
      if (length > MAX_MESSAGE_BYTES) throw new Error(`a frame of ${length} bytes`);
      // Joined only when all of it is there.
      if (this.#bytes.length < HEADER_BYTES + length) return;
      this.#bytes.take(HEADER_BYTES);
      if (length > 0) this.#onPayload(connection, this.#bytes.take(length));
    }
  }
}

/** The frames of one message: those of containerd's plugins cannot read a long one in a single frame. */
export function muxFrames(connection: number, message: Buffer): Buffer {
  if (message.length <= READ_AHEAD_BYTES) return frame(connection, message);
  return Buffer.concat([
    frame(connection, message.subarray(0, READ_AHEAD_BYTES)),
    frame(connection, message.subarray(READ_AHEAD_BYTES)),
  ]);
}

function frame(connection: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(connection, 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}
