/** Where a piece of multiplexed output came from. */
export type OutputStream = 'stdout' | 'stderr';

const HEADER_BYTES = 8;
/** What the Engine itself has to say of a failure, in a frame of its own. */
const ENGINE_ERROR = 3;
const streams: readonly (OutputStream | undefined)[] = [undefined, 'stdout', 'stderr'];

/**
 * Takes apart the multiplexed output of attach, exec and logs without a tty: frames of an 8-byte header (stream
 * number, three zero bytes, payload length in big endian) and a payload, cut anywhere by the transport.
 * A payload is handed on as it comes, in one piece or several, without copying.
 */
export class Demultiplexer {
  readonly #onOutput: (stream: OutputStream, piece: Buffer) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #stream: OutputStream = 'stdout';
  #payloadLeft = 0;
  /** The text of the Engine's error, while its frame is read. */
  #engineError: string | undefined;

  constructor(onOutput: (stream: OutputStream, piece: Buffer) => void) {
    this.#onOutput = onOutput;
  }

  /** True between frames: output that ends elsewhere was cut off. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0 && this.#payloadLeft === 0;
  }

  /**
   * Throws when a header names neither stdout nor stderr: the stream is not multiplexed, or bytes were lost. Also with
   * the Engine's words when it tells of a failure; the rest of the chunk is not read then.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const piece = chunk.subarray(at, at + this.#payloadLeft);
        at += piece.length;
        this.#payloadLeft -= piece.length;
        if (this.#engineError === undefined) this.#onOutput(this.#stream, piece);
        else this.#addEngineError(this.#engineError + piece.toString());
      } else {
        const copied = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
        at += copied;
        this.#headerBytes += copied;
        if (this.#headerBytes === HEADER_BYTES) this.#beginFrame();
      }
    }
  }

  #beginFrame(): void {
    const number = this.#header.readUInt8(0);
    const stream = number === ENGINE_ERROR ? 'stderr' : streams[number];
    if (stream === undefined) throw new Error(`multiplexed output: a frame of unknown stream ${number}`);
    this.#stream = stream;
    this.#payloadLeft = this.#header.readUInt32BE(4);
    this.#headerBytes = 0;
    this.#engineError = number === ENGINE_ERROR ? '' : undefined;
  }

  #addEngineError(text: string): void {
    this.#engineError = text;
    if (this.#payloadLeft === 0) throw new Error(`Docker Engine: ${text.trim()}`);
  }
}
