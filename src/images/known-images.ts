import type { CallOptions, Engine } from '../docker/engine.js';
import type { ImageInspect, ImageListEntry } from '../docker/types.js';
import type { EngineNews } from '../state/engine-news.js';
import { Code, hasCode } from '../util/cri-error.js';
import { WeightedMap } from '../util/weighted-map.js';

/** While the Engine's events are followed they tell what changes, but for images that were built without a name. */
const WATCHED_FRESH_MS = 60_000;
/** Before: for what is asked in a row, as when all containers are read for the first time. */
const UNWATCHED_FRESH_MS = 2_000;
/** Of images, in characters of their JSON: some thousands. An image's author decides how many it takes. */
const MOST_KEPT = 32 * 1024 * 1024;

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
  readonly #inspects = new WeightedMap<Kept<ImageInspect>>(MOST_KEPT);
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
    this.#inspects.set(reference, { value, readAtMs }, JSON.stringify(value).length);
    return value;
  }

  /** As the Engine's, with what `ImageListEntry` has and no more: it tells the labels of all images too, of any length. */
  async listImages(options: CallOptions = {}): Promise<ImageListEntry[]> {
    if (this.#list !== undefined && this.#isFresh(this.#list)) return this.#list.value;
    const { generation, readAtMs } = this.#ask();
    const value = (await this.#engine.listImages(options)).map(entryOf);
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

function entryOf({ Id, RepoTags, RepoDigests, Size, Created }: ImageListEntry): ImageListEntry {
  return { Id, RepoTags, RepoDigests, Size, Created };
}
