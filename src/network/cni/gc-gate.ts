import { deferred } from '../../util/deferred.js';
import { unlessAborted } from '../../util/unless-aborted.js';

/**
 * Keeps GC and attachments apart: any number of ADDs and DELs at a time, or one GC (CNI section 3, lifecycle).
 * GC waits for a quiet moment and holds up nobody while it waits.
 */
export class GcGate {
  #attachments = 0;
  #quiet = deferred();
  #gc: Promise<void> | undefined;

  /** Runs ADD or DEL. Throws the signal's reason if it aborts while GC runs. */
  async attachment<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    while (this.#gc !== undefined) await unlessAborted(this.#gc, signal);
    if (this.#attachments === 0) this.#quiet = deferred();
    this.#attachments += 1;
    try {
      return await work();
    } finally {
      this.#attachments -= 1;
      if (this.#attachments === 0) this.#quiet.resolve();
    }
  }

  /** Runs GC. Throws the signal's reason if it aborts before it was quiet. */
  async gc(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (this.#attachments > 0 || this.#gc !== undefined) {
      await unlessAborted(this.#gc ?? this.#quiet.promise, signal);
    }
    const { promise, resolve } = deferred();
    this.#gc = promise;
    try {
      await work();
    } finally {
      this.#gc = undefined;
      resolve();
    }
  }
}
