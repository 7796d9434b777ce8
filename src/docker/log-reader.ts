import { Code, CriError, messageOf } from '../util/cri-error.js';
import { Demultiplexer, type OutputStream } from './demux.js';
import type { LogMessage } from './engine.js';

/** `2006-01-02T15:04:05.000000000Z ` */
const PREFIX_BYTES = 31;
/** The Engine cuts longer lines into messages of this size. */
const MESSAGE_BYTES = 16_384;
const NEWLINE = 0x0a;

/**
 * Takes apart the answer of `GET /containers/{id}/logs?timestamps=1`. Without a terminal each message is a frame. With
 * one the messages follow each other unmarked: then a message ends with a newline or after 16 KiB, and the last one with
 * the answer.
 */
export class LogReader {
  readonly #demultiplexer: Demultiplexer | undefined;
  #complete: LogMessage[] = [];
  /** The pieces of a message that is not complete yet. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  constructor(tty: boolean) {
    if (tty) return;
    const demultiplexer = new Demultiplexer((stream, piece) => {
      this.#add(piece);
      if (demultiplexer.atBoundary) this.#finish(stream);
    });
    this.#demultiplexer = demultiplexer;
  }

  /**
   * The messages that this chunk completes; their bytes may be the chunk's own. Throws UNKNOWN for an answer that is no log,
   * such as the Engine's own error.
   */
  push(chunk: Buffer): readonly LogMessage[] {
    if (this.#demultiplexer === undefined) this.#pushUnmarked(chunk);
    else this.#demultiplex(this.#demultiplexer, chunk);
    // What is kept must be a copy: the chunk is its reader's.
    if (this.#pieces.length > 0) this.#pieces = [Buffer.concat(this.#pieces)];
    const complete = this.#complete;
    this.#complete = [];
    return complete;
  }

  /** At the end of the answer: the last message of a terminal, if it has no newline. A frame that was cut off is none. */
  end(): LogMessage | undefined {
    if (this.#demultiplexer !== undefined || this.#pieceBytes < PREFIX_BYTES) return undefined;
    this.#finish('stdout');
    return this.#complete.pop();
  }

  #demultiplex(demultiplexer: Demultiplexer, chunk: Buffer): void {
    try {
      demultiplexer.push(chunk);
    } catch (error) {
      if (error instanceof CriError) throw error;
      throw new CriError(Code.UNKNOWN, messageOf(error), { cause: error });
    }
  }

  #pushUnmarked(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const limit = at + PREFIX_BYTES + MESSAGE_BYTES - this.#pieceBytes;
      const newline = chunk.indexOf(NEWLINE, at);
      const ends = newline !== -1 && newline < limit ? newline + 1 : limit;
      const piece = chunk.subarray(at, ends);
      this.#add(piece);
      at += piece.length;
      if (at === ends) this.#finish('stdout');
    }
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  #finish(stream: OutputStream): void {
    const [first] = this.#pieces;
    const bytes = this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (!beginsWithTime(bytes)) {
      const text = bytes.subarray(0, 200).toString();
      throw new CriError(Code.UNKNOWN, `the Engine's log has a message without a time: ${text}`);
    }
    this.#complete.push({ stream, bytes });
  }
}

function beginsWithTime(bytes: Buffer): boolean {
  return bytes.length >= PREFIX_BYTES && bytes[10] === 0x54 && bytes[29] === 0x5a && bytes[30] === 0x20;
}
