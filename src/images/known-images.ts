import type { CallOptions, Engine } from '../docker/engine.js';
import type { ImageInspect, ImageListEntry } from '../docker/types.js';
import type { EngineNews } from '../state/engine-news.js';
import { Code, hasCode } from '../util/cri-error.js';

/** While the Engine's events are followed they tell what changes, but for images that were built without a name. */
const WATCHED_FRESH_MS = 60_000;
/** Before: for what is asked in a row, as when all containers are read for the first time. */
const UNWATCHED_FRESH_MS = 2_000;
/** More references than a node uses; beyond it the one that was asked for first is dropped. */
const MOST_REFERENCES = 1_024;

interface Kept<T> {
  readonly value: T;
  readonly readAtMs: number;
}

/**
 * What the Engine last told of its images: asked anew once an event says that images or their names have changed. Its own
 * changes cridock tells by `forget`, before its reply to who asked for them.
 */
export class KnownImages implements Pick<Engine, 'inspectImage' | 'listImages'> {
  readonly #engine: Engine;
  readonly #nowMs: () => number;
  /** By the reference that was asked for. */
  readonly #inspects = new Map<string, Kept<ImageInspect>>();
  #list: Kept<ImageListEntry[]> | undefined;
  /** Grows when what is being asked for is not to be kept. */
  #generation = 0;
  #news: EngineNews | undefined;

  constructor(engine: Engine, nowMs: () => number = () => performance.now()) {
    this.#engine = engine;
    this.#nowMs = nowMs;
  }

  /** From now on what is known lasts until these tell of a change. */
  follow(news: EngineNews): void {
    this.#news = news;
    news.subscribe({ onImages: () => this.forget() });
  }

  /** As the Engine's. */
  async inspectImage(reference: string, options: CallOptions = {}): Promise<ImageInspect> {
    const known = this.#inspects.get(reference);
    if (known !== undefined && this.#isFresh(known)) return known.value;
    const { generation, readAtMs } = this.#ask();
    const value = await this.#engine.inspectImage(reference, options);
    if (generation !== this.#generation) return value;
    const [oldest] = this.#inspects.keys();
    if (oldest !== undefined && this.#inspects.size >= MOST_REFERENCES) this.#inspects.delete(oldest);
    this.#inspects.delete(reference);
    this.#inspects.set(reference, { value, readAtMs });
    return value;
  }

  /** As the Engine's. */
  async listImages(options: CallOptions = {}): Promise<ImageListEntry[]> {
    if (this.#list !== undefined && this.#isFresh(this.#list)) return this.#list.value;
    const { generation, readAtMs } = this.#ask();
    const value = await this.#engine.listImages(options);
    if (generation === this.#generation) this.#list = { value, readAtMs };
    return value;
  }

  /** The image with this full id (`sha256:` and 64 hex digits), or undefined when the Engine has none. */
  async byId(id: string, signal?: AbortSignal): Promise<ImageInspect | undefined> {
    try {
      return await this.inspectImage(id, { signal });
    } catch (error) {
      if (hasCode(error, Code.NOT_FOUND)) return undefined;
      throw error;
    }
  }

  /** Images or their names have changed. */
  forget(): void {
    this.#generation += 1;
    this.#inspects.clear();
    this.#list = undefined;
  }

  #ask(): { generation: number; readAtMs: number } {
    return { generation: this.#generation, readAtMs: this.#nowMs() };
  }

  #isFresh({ readAtMs }: Kept<unknown>): boolean {
    const freshMs = this.#news?.isOpen === true ? WATCHED_FRESH_MS : UNWATCHED_FRESH_MS;
    return this.#nowMs() - readAtMs < freshMs;
  }
}
