import { deferred } from './deferred.js';
import { unlessAborted } from './unless-aborted.js';

/**
 * Mutual exclusion by key: work under one key runs one at a time and in order of arrival, work under different
 * keys does not wait for each other. A key costs memory only while work under it is running or waiting.
 */
export class KeyedMutex {
  /** For each key in use: settles when the last queued work is done. Never rejects. */
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` once all earlier work under `key` is done. Throws the signal's reason if it aborts while waiting. */
  async run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: done, resolve: release } = deferred();
    const tail = before.then(() => done);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      release();
    }
  }
}
