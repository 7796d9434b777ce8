import { setTimeout as delay } from 'node:timers/promises';
import { KIND_LABEL } from '../../convert/text/labels.js';
import type { Engine } from '../../docker/engine.js';
import { forEachLimited } from '../../util/concurrency.js';
import { Code, CriError } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { unlessAborted } from '../../util/unless-aborted.js';
import type { Picture } from '../picture.js';
import { untoldChanges } from '../untold-changes.js';

/** From a list that shows a change to the event that tells of it; a busy Engine has been seen to take over a second. */
const EVENT_DELAY_MS = 3_000;
const READINGS_AT_A_TIME = 8;
/** The end of a container may be held back for its log for longer; all others need not wait for that. */
const LONGEST_READING_MS = 2_000;

/** Reads objects into the picture. */
export interface Readings {
  /** Listed objects that no record is made of. */
  readonly leftOut: ReadonlySet<string>;
  isReading(id: string): boolean;
  /** Resolves when a reading has told of the object, or when it takes too long for others to wait. Throws when a list fails. */
  sight(id: string): Promise<void>;
}

export interface ReconciliationOptions {
  engine: Engine;
  log: Logger;
  picture: Picture;
  readings: Readings;
  /** When the last event came, ms of the monotonic clock. */
  lastEventMs: () => number;
  /** How often the Engine's list is held against the picture. */
  compareEveryMs: number;
}

/** Holds the picture against the Engine's list: wholly, or where the two disagree. */
export class Reconciliation {
  readonly #options: ReconciliationOptions;

  constructor(options: ReconciliationOptions) {
    this.#options = options;
  }

  /**
   * Reads everything anew, and forgets what is gone. Answers how many records it had to correct. No object that is known
   * keeps it for long, and none longer than a sight of it takes. Throws when the list fails.
   */
  async readAll(signal: AbortSignal): Promise<number> {
    const { engine, picture, readings } = this.#options;
    const listed = await engine.listContainers([KIND_LABEL], { signal });
    const ids = new Set([...listed.map((entry) => entry.Id), ...picture.ids()]);
    let corrected = 0;
    await forEachLimited(ids, READINGS_AT_A_TIME, async (id) => {
      signal.throwIfAborted();
      const before = picture.get(id);
      const sighted = readings.sight(id);
      // What is known is told as it was meanwhile; what is not known yet would be told as gone.
      await (before === undefined ? unlessAborted(sighted, signal) : atMost(LONGEST_READING_MS, sighted));
      if (before?.status !== picture.get(id)?.status) corrected += 1;
    });
    return corrected;
  }

  /**
   * An event stream can lose events, or bring none without being closed. Reads the objects that a list shows in another state
   * than the picture, and still does when their events had time to come; answers how many it had to correct. Throws
   * UNAVAILABLE when a stream that tells of nothing at all was to blame, and when the list fails.
   */
  async compare(signal: AbortSignal): Promise<number> {
    const { engine, picture, readings, log, compareEveryMs } = this.#options;
    const beganMs = performance.now();
    const listed = await engine.listContainers([KIND_LABEL], { signal });
    const changes = untoldChanges(listed, picture, readings.leftOut).filter(
      ({ id }) => !readings.isReading(id),
    );
    if (changes.length === 0) return 0;
    await delay(EVENT_DELAY_MS, undefined, { signal });
    const untold = changes.filter(({ id, record }) => picture.get(id) === record && !readings.isReading(id));
    let corrected = 0;
    await forEachLimited(untold, READINGS_AT_A_TIME, async ({ id, record }) => {
      await readings.sight(id);
      if (picture.get(id)?.status !== record?.status) corrected += 1;
    });
    if (corrected === 0) return 0;
    log.info("a comparison found what Docker's events have not told", { corrected });
    if (this.#options.lastEventMs() < beganMs - compareEveryMs)
      throw new CriError(Code.UNAVAILABLE, `Docker's events did not tell of ${corrected} changes`);
    return corrected;
  }
}

/** Waits for the work, but not longer; the work goes on. Throws what it throws until then. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  work.catch(() => undefined);
  try {
    await Promise.race([work, delay(ms, undefined, over)]);
  } finally {
    over.abort();
  }
}
