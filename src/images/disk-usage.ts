import type { Engine } from '../docker/engine.js';
import type { Mirror } from '../state/mirror.js';
import type { KnownImages } from './known-images.js';
import { LayerStore } from './layer-store.js';

/** From this age on a figure is asked for anew, for what no event tells: the Engine walks all its layers for it. */
const FRESH_MS = 60_000;
/** Before this version `GET /system/df` measures containers and volumes too, and fails while another one is under way. */
const IMAGES_ALONE_API_VERSION = '1.42';

/** What the figure is had from. */
export interface ImageDiskUsageParts {
  readonly engine: Engine;
  readonly images: KnownImages;
  readonly mirror: Pick<Mirror, 'facts'>;
}

/**
 * Bytes used by images, asked of the Engine at most once a minute and never twice at a time. Only who asks first, or first after
 * an image came or went, waits for it: anyone else gets the last figure, and the next one is on its way when that is old.
 */
export class ImageDiskUsage {
  readonly #parts: ImageDiskUsageParts;
  readonly #layers = new LayerStore();
  readonly #nowMs: () => number;
  #bytes = 0;
  /** True while the last figure is as good as one that is a little old. */
  #known = false;
  #askedAtMs = -Infinity;
  #asking: Promise<void> | undefined;
  /** Grows when what is being asked for is no longer wanted. */
  #generation = 0;

  constructor(parts: ImageDiskUsageParts, nowMs: () => number = () => performance.now()) {
    this.#parts = parts;
    this.#nowMs = nowMs;
  }

  /** The figure is no longer true: the next caller waits for a new one. */
  forget(): void {
    this.#known = false;
    this.#generation += 1;
  }

  /** Bytes, as the Engine last told; 0 before that. */
  get lastKnownBytes(): number {
    return this.#bytes;
  }

  /** Bytes; the last known figure while the Engine cannot tell. */
  async bytes(): Promise<number> {
    if (!this.#known || this.#nowMs() - this.#askedAtMs >= FRESH_MS) {
      this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    }
    if (!this.#known) await this.#asking;
    return this.#bytes;
  }

  /** Until the figure is one from after the last change. Never throws: then the next caller asks again. */
  async #ask(): Promise<void> {
    for (;;) {
      const generation = this.#generation;
      this.#askedAtMs = this.#nowMs();
      const bytes = await this.#measure().catch(() => undefined);
      if (generation !== this.#generation) continue;
      this.#known = bytes !== undefined;
      this.#bytes = bytes ?? this.#bytes;
      return;
    }
  }

  async #measure(): Promise<number> {
    const { engine, images, mirror } = this.#parts;
    const info = mirror.facts?.info;
    if (info !== undefined && !engine.supports(IMAGES_ALONE_API_VERSION)) {
      const bytes = await this.#layers.bytes(info, images);
      if (bytes !== undefined) return bytes;
    }
    return engine.imageDiskUsageBytes();
  }
}
