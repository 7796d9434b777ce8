import type { Engine } from '../docker/engine.js';

/** How long a figure may be used: the Engine walks all its layers for it. */
const FRESH_MS = 10_000;

/** Bytes used by images, asked of the Engine at most once in some seconds unless an image came or went. */
export class ImageDiskUsage {
  readonly #engine: Engine;
  #bytes = 0;
  #asked: Promise<number> | undefined;
  #freshUntilMs = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The figure is no longer true: the next caller asks anew. */
  forget(): void {
    this.#freshUntilMs = 0;
    this.#asked = undefined;
  }

  /** Bytes, as the Engine last told; 0 before that. */
  get lastKnownBytes(): number {
    return this.#bytes;
  }

  /** Bytes; the last known figure while the Engine cannot tell. */
  async bytes(): Promise<number> {
    if (Date.now() >= this.#freshUntilMs) this.#asked = undefined;
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  async #ask(): Promise<number> {
    this.#freshUntilMs = Date.now() + FRESH_MS;
    try {
      this.#bytes = await this.#engine.imageDiskUsageBytes();
    } catch {
      this.forget(); // the caller gets the last known figure and the next one asks again
    }
    return this.#bytes;
  }
}
