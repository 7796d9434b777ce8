import type { Engine } from '../docker/engine.js';

/** From this age on a figure is asked for anew: the Engine walks all its layers for it. */
const FRESH_MS = 10_000;

/**
 * Bytes used by images, asked of the Engine at most once in some seconds. Only who asks first, or first after an image came
 * or went, waits for it: anyone else gets the last figure, and the next one is on its way when that is old.
 */
export class ImageDiskUsage {
  readonly #engine: Engine;
  #bytes = 0;
  /** True while the last figure is as good as one that is a little old. */
  #known = false;
  #askedAtMs = -Infinity;
  #asked: Promise<void> | undefined;
  /** Grows when what is being asked for is no longer wanted. */
  #generation = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The figure is no longer true: the next caller waits for a new one. */
  forget(): void {
    this.#known = false;
    this.#asked = undefined;
    this.#generation += 1;
  }

  /** Bytes, as the Engine last told; 0 before that. */
  get lastKnownBytes(): number {
    return this.#bytes;
  }

  /** Bytes; the last known figure while the Engine cannot tell. */
  async bytes(): Promise<number> {
    if (!this.#known || Date.now() - this.#askedAtMs >= FRESH_MS) this.#asked ??= this.#ask();
    if (!this.#known) await this.#asked;
    return this.#bytes;
  }

  async #ask(): Promise<void> {
    this.#askedAtMs = Date.now();
    const generation = this.#generation;
    try {
      const bytes = await this.#engine.imageDiskUsageBytes();
      if (generation !== this.#generation) return;
      this.#bytes = bytes;
      this.#known = true;
      this.#asked = undefined;
    } catch {
      // The caller gets the last known figure and the next one asks again.
      if (generation === this.#generation) this.forget();
    }
  }
}
