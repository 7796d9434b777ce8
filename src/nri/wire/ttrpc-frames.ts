import { ByteQueue } from './byte-queue.js';

/** Length of the payload, stream, type and flags. */
const HEADER_BYTES = 10;
const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
export const MAX_MESSAGE_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES;

export const MessageType = { REQUEST: 1, RESPONSE: 2, DATA: 3 } as const;

/** A message of ttrpc (https://github.com/containerd/ttrpc). */
export interface TtrpcMessage {
  readonly stream: number;
  readonly type: number;
  readonly payload: Buffer;
}

/** Takes messages apart as their bytes come. `push` throws an Error for one that is too long. */
export class TtrpcReader {
  readonly #bytes = new ByteQueue();
  readonly #onMessage: (message: TtrpcMessage) => void;

  constructor(onMessage: (message: TtrpcMessage) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
    while (this.#bytes.length >= HEADER_BYTES) {
      const header = this.#bytes.peek(HEADER_BYTES);
      const length = header.readUInt32BE(0);
      const stream = header.readUInt32BE(4);
      const type = header.readUInt8(8);
      if (length > MAX_PAYLOAD_BYTES) throw new Error(`a message of ${length} bytes`);
      if (this.#bytes.length < HEADER_BYTES + length) return;
      this.#bytes.take(HEADER_BYTES);
      this.#onMessage({ stream, type, payload: this.#bytes.take(length) });
    }
  }
}

/** Throws a RangeError for a payload that is too long. */
export function ttrpcMessage({ stream, type, payload }: TtrpcMessage): Buffer {
  if (payload.length > MAX_PAYLOAD_BYTES) throw new RangeError(`a message of ${payload.length} bytes`);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(stream, 4);
  header.writeUInt8(type, 8);
  return Buffer.concat([header, payload]);
}
