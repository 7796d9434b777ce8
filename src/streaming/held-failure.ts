import type { OutputStream } from '../docker/demux.js';

/** How the Engine's word on a command that it could not start begins; it comes in place of the command's output. */
const FAILURE = /^OCI runtime exec failed/;
/** Real output that looks like it is held back no longer than this. */
const HOLD_MS = 1_000;
const MAX_HELD_BYTES = 8 * 1024;

/**
 * Holds the first piece of an exec's output back while it may be the Engine's report of a failed start, which only the
 * exit tells for sure: such a report is the whole output, on stdout, and ends with CR LF also without a terminal.
 */
export class HeldFailure {
  readonly #tty: boolean;
  #held: { piece: Buffer; passOn: (piece: Buffer) => void } | undefined;
  #first = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(tty: boolean) {
    this.#tty = tty;
  }

  /** An interceptor of `carry`. */
  offer(stream: OutputStream, piece: Buffer, passOn: (piece: Buffer) => void): boolean {
    if (!this.#first) {
      this.#let();
      return false;
    }
    this.#first = false;
    if (stream !== 'stdout' || !this.#mayBeFailure(piece)) return false;
    this.#held = { piece: Buffer.from(piece), passOn };
    this.#timer = setTimeout(() => this.#let(), HOLD_MS);
    return true;
  }

  /** The command ended: what is held is the reason why it did not start, or is let go as output. */
  settle(started: boolean): string {
    const held = this.#held?.piece.toString() ?? '';
    if (started) this.#let();
    this.drop();
    return held;
  }

  /** Forgets what is held. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#held = undefined;
  }

  #let(): void {
    const held = this.#held;
    this.drop();
    held?.passOn(held.piece);
  }

  #mayBeFailure(piece: Buffer): boolean {
    if (piece.length > MAX_HELD_BYTES) return false;
    const text = piece.toString('latin1');
    return FAILURE.test(text) || (!this.#tty && text.endsWith('\r\n'));
  }
}
