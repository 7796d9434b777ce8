import { setTimeout as delay } from 'node:timers/promises';
import type { TerminalSize } from '../docker/types.js';
import type { RemoteStreams } from './remote-streams.js';

/** The Engine refuses sizes until the process has begun; Docker's own client asks again as often. */
const ATTEMPTS = 10;
const FIRST_PAUSE_MS = 10;

/** The sizes of the client's terminal: the last one counts, and is passed on by one request at a time. */
export class Resizes {
  #latest: TerminalSize | undefined;
  #resize: ((size: TerminalSize) => Promise<void>) | undefined;
  #busy = false;
  #onFirst: () => void = () => undefined;

  constructor(streams: RemoteStreams) {
    streams.onResize((size) => {
      this.#latest = size;
      this.#onFirst();
      void this.#passOn();
    });
  }

  /** The size that the client's terminal has from the start, if it says so soon: it is taken from what is to be passed on. */
  async first(waitMs: number): Promise<TerminalSize | undefined> {
    if (this.#latest === undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#onFirst = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#latest;
  }

  /** Begins to pass sizes on. Failures are nobody's: the process may have ended. */
  start(resize: (size: TerminalSize) => Promise<void>): void {
    this.#resize = resize;
    void this.#passOn();
  }

  stop(): void {
    this.#resize = undefined;
  }

  async #passOn(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let attempt = 0; this.#latest !== undefined && this.#resize !== undefined && attempt < ATTEMPTS;) {
      const size = this.#latest;
      try {
        await this.#resize(size);
        if (this.#latest === size) this.#latest = undefined;
        attempt = 0;
      } catch {
        attempt += 1;
        await delay(attempt * FIRST_PAUSE_MS);
      }
    }
    this.#busy = false;
  }
}
