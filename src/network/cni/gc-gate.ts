import { Code, CriError } from '../../util/cri-error.js';
import { deferred } from '../../util/deferred.js';
import { unlessAborted } from '../../util/unless-aborted.js';

/** How long a pod waits for a GC that has begun: a sound one takes less. */
const YIELD_AFTER_MS = 1_000;

interface Running {
  /** Resolves when GC has ended. */
  readonly ended: Promise<void>;
  readonly controller: AbortController;
}

/**
 * Keeps GC and attachments apart: any number of ADDs and DELs at a time, or one GC (CNI section 3, lifecycle).
 * GC waits for a quiet moment, holds up nobody while it waits, and gives way to an attachment that comes meanwhile.
 */
export class GcGate {
  readonly #yieldAfterMs: number;
  #attachments = 0;
  #quiet = deferred();
  #gc: Running | undefined;

  /** @param yieldAfterMs how long an attachment waits for a GC before the GC is given up */
  constructor(yieldAfterMs = YIELD_AFTER_MS) {
    this.#yieldAfterMs = yieldAfterMs;
  }

  /** Runs ADD or DEL. Throws the signal's reason if it aborts while GC runs. */
  async attachment<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    while (this.#gc !== undefined) await this.#giveWay(this.#gc, signal);
    if (this.#attachments === 0) this.#quiet = deferred();
    this.#attachments += 1;
    try {
      return await work();
    } finally {
      this.#attachments -= 1;
      if (this.#attachments === 0) this.#quiet.resolve();
    }
  }

  /**
   * Runs GC, whose signal aborts when an attachment cannot wait any more; it must end then. Throws the reason of
   * `signal` if that aborts before it was quiet.
   */
  async gc(work: (yielding: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (this.#attachments > 0 || this.#gc !== undefined) {
      await unlessAborted(this.#gc?.ended ?? this.#quiet.promise, signal);
    }
    const { promise, resolve } = deferred();
    const controller = new AbortController();
    this.#gc = { ended: promise, controller };
    try {
      await work(controller.signal);
    } finally {
      this.#gc = undefined;
      resolve();
    }
  }

  async #giveWay({ ended, controller }: Running, signal: AbortSignal): Promise<void> {
    const timer = setTimeout(() => {
      controller.abort(new CriError(Code.CANCELLED, 'gave way to a pod that it kept waiting'));
    }, this.#yieldAfterMs);
    try {
      await unlessAborted(ended, signal);
    } finally {
      clearTimeout(timer);
    }
  }
}
