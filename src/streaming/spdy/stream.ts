import { Duplex } from 'node:stream';

/** Bytes that are kept for a process that reads slowly. */
const READ_AHEAD_BYTES = 64 * 1024;
/** Bytes that are kept for a client that reads slowly: some reads of the other side, sent together then. */
const WRITE_AHEAD_BYTES = 256 * 1024;

/** What a stream needs of its connection. */
export interface StreamOwner {
  /** Sends the payloads as one data frame; calls back when the system has them, or nobody wants them any more. */
  sendData(stream: SpdyStream, payloads: readonly Buffer[], fin: boolean, done: () => void): void;
  /** The stream wants more to read. */
  resume(stream: SpdyStream): void;
  /** Ends the stream for both sides, unless both have ended it. */
  reset(stream: SpdyStream): void;
}

/**
 * One stream of a SPDY connection: reading ends with the peer's FIN, ending the writing side sends ours; destroying it
 * resets it. The peer's reset destroys it without an error.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly #owner: StreamOwner;
  #inputEnded = false;

  constructor(id: number, headers: ReadonlyMap<string, string>, owner: StreamOwner) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: READ_AHEAD_BYTES,
      writableHighWaterMark: WRITE_AHEAD_BYTES,
    });
    this.id = id;
    this.headers = headers;
    this.#owner = owner;
  }

  /** True once the peer has ended its side. */
  get inputEnded(): boolean {
    return this.#inputEnded;
  }

  /** The peer has ended its side. */
  endInput(): void {
    this.#inputEnded = true;
    this.push(null);
  }

  override _read(): void {
    this.#owner.resume(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#owner.sendData(this, [chunk], false, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    const payloads = chunks.map(({ chunk }) => chunk);
    this.#owner.sendData(this, payloads, false, done);
  }

  override _final(done: () => void): void {
    this.#owner.sendData(this, [], true, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#owner.reset(this);
    done(error);
  }
}
