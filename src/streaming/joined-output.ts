import type { OutputStream } from '../docker/demux.js';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Joins the pieces of one chunk that follow each other on one stream, by moving them together over the headers that were
 * between them. The Engine makes a frame of each few KiB, and to hand on a piece costs much the same, however small it is.
 */
export class JoinedOutput {
  readonly #onOutput: (stream: OutputStream, piece: Buffer) => void;
  #stream: OutputStream = 'stdout';
  /** The first piece, and what follows it in its chunk. */
  #run = NOTHING;
  #length = 0;

  constructor(onOutput: (stream: OutputStream, piece: Buffer) => void) {
    this.#onOutput = onOutput;
  }

  /** Takes the next piece; all since the last `flush` are parts of one chunk, whose bytes are changed. */
  add(stream: OutputStream, piece: Buffer): void {
    if (this.#length > 0 && stream !== this.#stream) this.flush();
    if (this.#length === 0) {
      this.#stream = stream;
      this.#run = Buffer.from(piece.buffer, piece.byteOffset);
    } else {
      piece.copy(this.#run, this.#length);
    }
    this.#length += piece.length;
  }

  /** Hands on what has come: at the end of a chunk. */
  flush(): void {
    const piece = this.#run.subarray(0, this.#length);
    this.#run = NOTHING;
    this.#length = 0;
    if (piece.length > 0) this.#onOutput(this.#stream, piece);
  }
}
