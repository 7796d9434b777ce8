import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { measureFolder, type FolderSize } from '../node/layer-walk.js';

/** A size and when it was measured. */
export interface LayerSize extends FolderSize {
  /** Unix milliseconds. */
  readonly atMs: number;
}

/** A layer is measured again when its size is this old, or at the next look after that. */
const FRESH_MS = 50_000;
/** What is due is measured in one go, which takes a fraction of the CPU time of as many wake-ups. */
const LOOK_AGAIN_MS = 10_000;
/** How long it works before it rests. */
const SPELL_MS = 20;

/** For each millisecond of measuring this many are rested: all together it takes at most 1 % of the time. */
const REST_FACTOR = 99;

interface Layer {
  readonly folder: string;
  size: LayerSize | undefined;
  /** When it is to be measured next, by the monotonic clock, milliseconds; 0 for at once. */
  dueAtMs: number;
  /** False when nobody writes to it. */
  live: boolean;
}

/**
 * Sizes of writable layers, measured off the request path by one walk at a time that takes at most 1 % of the time: a
 * size is at most about a minute old while one walk through all layers takes less than 0.6 s of file system work, and
 * gets older in proportion beyond that. New layers, and once more those of containers that have ended, are measured at once.
 */
export class LayerSizes {
  readonly #layers = new Map<string, Layer>();
  readonly #stop = new AbortController();
  readonly #log: Logger;
  #running: Promise<void> | undefined;
  #wake: () => void = () => undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  /** Begins to measure a container's layer, or goes on; `live` says whether the container runs. */
  track(id: string, folder: string, live: boolean): void {
    const known = this.#layers.get(id);
    if (known?.folder !== folder) this.#layers.set(id, { folder, size: undefined, dueAtMs: 0, live });
    else if (known.live !== live) Object.assign(known, { live, dueAtMs: 0 });
    else return;
    this.#wake();
  }

  /** The folder of a layer that is tracked. */
  folderOf(id: string): string | undefined {
    return this.#layers.get(id)?.folder;
  }

  forget(id: string): void {
    this.#layers.delete(id);
  }

  /** The last size, or undefined while it was not measured yet. */
  sizeOf(id: string): LayerSize | undefined {
    return this.#layers.get(id)?.size;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const workedMs = await this.#measureDue();
      await this.#pause(workedMs === 0 ? LOOK_AGAIN_MS : workedMs * REST_FACTOR);
    }
  }

  /** Measures what is due, for one spell; answers for how many milliseconds it has worked since it last rested. */
  async #measureDue(): Promise<number> {
    let workedMs = 0;
    while (workedMs < SPELL_MS && !this.#stop.signal.aborted) {
      const layer = this.#next();
      if (layer === undefined) break;
      workedMs += await this.#measure(layer);
    }
    return workedMs;
  }

  /** The layer that has been due for the longest time. */
  #next(): Layer | undefined {
    let first: Layer | undefined;
    for (const layer of this.#layers.values()) {
      if (first === undefined || layer.dueAtMs < first.dueAtMs) first = layer;
    }
    return first !== undefined && first.dueAtMs <= performance.now() ? first : undefined;
  }

  /** Answers for how many milliseconds it has worked since it last rested. */
  async #measure(layer: Layer): Promise<number> {
    let startedMs = performance.now();
    const rest = async (): Promise<void> => {
      await this.#rest((performance.now() - startedMs) * REST_FACTOR);
      startedMs = performance.now();
    };
    // Set beforehand: what happens to the container meanwhile may make it due at once.
    layer.dueAtMs = layer.live ? performance.now() + FRESH_MS : Infinity;
    try {
      const size = await measureFolder(layer.folder, rest);
      layer.size = size && { ...size, atMs: Date.now() };
    } catch (error) {
      this.#log.warn('a writable layer cannot be measured', {
        folder: layer.folder,
        error: messageOf(error),
      });
    }
    return performance.now() - startedMs;
  }

  /** Ends early when a layer is to be measured at once. */
  async #pause(ms: number): Promise<void> {
    const isUrgent = [...this.#layers.values()].some(({ dueAtMs }) => dueAtMs === 0);
    if (isUrgent || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  async #rest(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
