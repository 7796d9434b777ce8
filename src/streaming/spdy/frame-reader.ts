const HEADER_BYTES = 8;

/** The largest control frame that is read; Kubernetes' clients send some tens of bytes. */
const MAX_CONTROL_BYTES = 64 * 1024;
const VERSION = 3;

/** The control frames of SPDY/3 by their numbers on the wire. */
export const FrameType = {
  SYN_STREAM: 1,
  SYN_REPLY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  HEADERS: 8,
  WINDOW_UPDATE: 9,
} as const;

/** In the flags of data and control frames: the sender's last one on this stream. */
export const FLAG_FIN = 0x01;

export interface FrameHandlers {
  /** A piece of a data frame, which is not kept together; `fin` with the last piece of the last frame, which may be empty. */
  readonly onData: (streamId: number, piece: Buffer, fin: boolean) => void;
  /** `payload` is valid only during the call. */
  readonly onControl: (type: number, flags: number, payload: Buffer) => void;
}

/** Takes a byte stream apart into SPDY/3 frames, however it is cut. Throws SpdyError; then the reader is of no more use. */
export class FrameReader {
  readonly #handlers: FrameHandlers;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Of the data frame whose payload is being read. */
  #streamId = 0;
  #fin = false;
  #dataLeft = 0;
  /** The control frame's payload so far. */
  #control: Buffer | undefined;
  #controlBytes = 0;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** Answers what is left of the chunk: something when `mayBegin`, which is asked before each frame, has said no. */
  push(chunk: Buffer, mayBegin: () => boolean = () => true): Buffer {
    let at = 0;
    while (at < chunk.length) {
      if (this.#dataLeft > 0) at += this.#readData(chunk.subarray(at, at + this.#dataLeft));
      else if (this.#control !== undefined) at += this.#readControl(this.#control, chunk, at);
      else if (this.#headerBytes > 0 || mayBegin()) at += this.#readHeader(chunk, at);
      else break;
    }
    return chunk.subarray(at);
  }

  #readData(piece: Buffer): number {
    this.#dataLeft -= piece.length;
    this.#handlers.onData(this.#streamId, piece, this.#fin && this.#dataLeft === 0);
    return piece.length;
  }

  #readControl(payload: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(payload, this.#controlBytes, at);
    this.#controlBytes += copied;
    if (this.#controlBytes === payload.length) this.#endControl(payload);
    return copied;
  }

  #readHeader(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += copied;
    if (this.#headerBytes === HEADER_BYTES) this.#beginFrame();
    return copied;
  }

  #beginFrame(): void {
    this.#headerBytes = 0;
    const length = this.#header.readUIntBE(5, 3);
    const isControl = (this.#header.readUInt8(0) & 0x80) !== 0;
    if (isControl) {
      const version = this.#header.readUInt16BE(0) & 0x7fff;
      if (version !== VERSION) throw new SpdyError(`a frame of SPDY version ${version}`);
      if (length > MAX_CONTROL_BYTES) throw new SpdyError(`a control frame of ${length} bytes`);
      this.#control = Buffer.alloc(length);
      this.#controlBytes = 0;
      if (length === 0) this.#endControl(this.#control);
      return;
    }
    this.#streamId = this.#header.readUInt32BE(0);
    this.#fin = (this.#header.readUInt8(4) & FLAG_FIN) !== 0;
    this.#dataLeft = length;
    if (length === 0) this.#handlers.onData(this.#streamId, Buffer.alloc(0), this.#fin);
  }

  #endControl(payload: Buffer): void {
    this.#control = undefined;
    this.#handlers.onControl(this.#header.readUInt16BE(2), this.#header.readUInt8(4), payload);
  }
}

/** The peer broke the protocol, or a limit: the connection cannot go on. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}
