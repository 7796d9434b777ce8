import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { walkFolder, type FolderSize } from '../node/layer-walk.js';

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

/**
 * For each millisecond of measuring this many are rested. All together is to take at most 1 % of a core: a third of that is
 * for what measuring causes elsewhere (threads that read, garbage collection).
 */
const REST_FACTOR = 149;
/** Steps of a walk that are taken in one turn: some 500 entries. Then it is the others' turn. */
const STEPS_A_TURN = 8;
/** What a step takes at most of a core. It may last longer, on a busy machine or disk: that is not cridock's own work. */
const STEP_COST_MS = 3;
/** A walk that goes on for so long is told once. */
const LONG_WALK_MS = 120_000;

interface Layer {
  readonly folder: string;
  /** The last one, or what was counted since where that is more. */
  size: LayerSize | undefined;
  /** The walk that was begun and has not come to its end. */
  walk: Walk | undefined;
  /** When it is to be measured next, by the monotonic clock, milliseconds; 0 for the next look. */
  dueAtMs: number;
  /** False when nobody writes to it. */
  live: boolean;
}

interface Walk {
  readonly steps: AsyncGenerator<FolderSize, FolderSize | undefined, undefined>;
  readonly begunAtMs: number;
  /** When it had its last turn. */
  turnAtMs: number;
  isTold: boolean;
}

/**
 * Sizes of writable layers, measured off the request path in at most 1 % of the time. Each layer that is due gets a turn,
 * and what is left of the time goes to those that are too large for one turn, one after the other: how old a layer's size is
 * (about a minute) does not depend on what the others hold. The size of a large layer is what was counted until now, or
 * its last whole size where that is more. New layers, and once more those of containers that have ended, are measured at the
 * next look: what comes and goes in between costs nothing.
 */
export class LayerSizes {
  readonly #layers = new Map<string, Layer>();
  readonly #stop = new AbortController();
  readonly #log: Logger;
  readonly #lookAgainMs: number;
  #running: Promise<void> | undefined;

  constructor(log: Logger, lookAgainMs = LOOK_AGAIN_MS) {
    this.#log = log;
    this.#lookAgainMs = lookAgainMs;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const id of [...this.#layers.keys()]) this.forget(id);
  }

  /** Begins to measure a container's layer, or goes on; `live` says whether the container runs. */
  track(id: string, folder: string, live: boolean): void {
    const known = this.#layers.get(id);
    if (known?.folder !== folder) {
      this.forget(id);
      this.#layers.set(id, { folder, size: undefined, walk: undefined, dueAtMs: 0, live });
    } else if (known.live !== live) Object.assign(known, { live, dueAtMs: 0 });
  }

  /** The folder of a layer that is tracked. */
  folderOf(id: string): string | undefined {
    return this.#layers.get(id)?.folder;
  }

  forget(id: string): void {
    // A step that is under way is waited for; what it opened is closed then.
    void this.#layers
      .get(id)
      ?.walk?.steps.return(undefined)
      .catch(() => undefined);
    this.#layers.delete(id);
  }

  /** The last size, or undefined while it was not measured yet. */
  sizeOf(id: string): LayerSize | undefined {
    return this.#layers.get(id)?.size;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const workedMs = await this.#measureDue();
      await this.#pause(workedMs === 0 ? this.#lookAgainMs : workedMs * REST_FACTOR);
    }
  }

  /** Measures what is due, for one spell, and all that is new; answers for how many milliseconds it has worked. */
  async #measureDue(): Promise<number> {
    let workedMs = 0;
    while (!this.#stop.signal.aborted) {
      const layer = this.#next();
      if (layer === undefined || (workedMs >= SPELL_MS && layer.dueAtMs > 0)) break;
      workedMs += await this.#measure(layer);
    }
    return workedMs;
  }

  /** The layer that has been due for the longest time; else the one whose walk has waited for the longest time. */
  #next(): Layer | undefined {
    let due: Layer | undefined;
    let waiting: Layer | undefined;
    const turnOf = (layer: Layer | undefined): number => layer?.walk?.turnAtMs ?? Infinity;
    for (const layer of this.#layers.values()) {
      if (layer.walk !== undefined) waiting = turnOf(layer) < turnOf(waiting) ? layer : waiting;
      else if (layer.dueAtMs < (due?.dueAtMs ?? Infinity)) due = layer;
    }
    return due !== undefined && due.dueAtMs <= performance.now() ? due : waiting;
  }

  /** A turn of a layer; answers for how many milliseconds it has worked. */
  async #measure(layer: Layer): Promise<number> {
    const startedMs = performance.now();
    if (layer.walk === undefined) {
      // Set beforehand: what happens to the container meanwhile may make it due at once.
      layer.dueAtMs = layer.live ? startedMs + FRESH_MS : Infinity;
      const steps = walkFolder(layer.folder);
      layer.walk = { steps, begunAtMs: startedMs, turnAtMs: startedMs, isTold: false };
    }
    const { walk } = layer;
    let steps = 0;
    try {
      for (let isDone = false; !isDone && steps < STEPS_A_TURN; steps += 1) {
        isDone = await this.#step(layer, walk);
      }
    } catch (error) {
      layer.walk = undefined;
      this.#log.warn('a writable layer cannot be measured', {
        folder: layer.folder,
        error: messageOf(error),
      });
    }
    return Math.min(performance.now() - startedMs, steps * STEP_COST_MS);
  }

  /** Answers true when the walk has come to its end. */
  async #step(layer: Layer, walk: Walk): Promise<boolean> {
    const { done, value } = await walk.steps.next();
    const nowMs = performance.now();
    walk.turnAtMs = nowMs;
    if (done === true) {
      layer.size = value && { ...value, atMs: Date.now() };
      layer.walk = undefined;
      return true;
    }
    const { bytes, inodes } = layer.size ?? { bytes: -1, inodes: -1 };
    if (value.bytes > bytes || value.inodes > inodes) {
      layer.size = {
        bytes: Math.max(bytes, value.bytes),
        inodes: Math.max(inodes, value.inodes),
        isWhole: false,
        atMs: Date.now(),
      };
    }
    if (!walk.isTold && nowMs - walk.begunAtMs > LONG_WALK_MS) {
      walk.isTold = true;
      const fields = { folder: layer.folder, bytes: value.bytes, inodes: value.inodes };
      this.#log.info('a writable layer is large: its size is told as far as it was counted', fields);
    }
    return false;
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}
