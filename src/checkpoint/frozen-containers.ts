import { deferred } from '../util/deferred.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import { unlessAborted } from '../util/unless-aborted.js';

/**
 * Which containers stand still for a moment while their state is written down. No command can be started in one then: who wants
 * to, waits.
 */
export class FrozenContainers {
  readonly #turns = new KeyedMutex();
  /** By container id: settles when it goes on. */
  readonly #frozen = new Map<string, Promise<void>>();
  readonly #counts = new Map<string, number>();

  /** Keeps commands from being started in the container during `work`, which is done for one caller after the other. */
  async during<T>(id: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turns.run(
      id,
      async () => {
        const { promise, resolve } = deferred();
        this.#frozen.set(id, promise);
        this.#counts.set(id, this.timesOf(id) + 1);
        try {
          return await work();
        } finally {
          this.#frozen.delete(id);
          resolve();
        }
      },
      signal,
    );
  }

  /** Waits until the container does not stand still. Throws the signal's reason if it aborts before. */
  async gone(id: string, signal?: AbortSignal): Promise<void> {
    for (let frozen = this.#frozen.get(id); frozen !== undefined; frozen = this.#frozen.get(id)) {
      await unlessAborted(frozen, signal);
    }
  }

  /** How often it has stood still: by two of these it is known whether it did in between. */
  timesOf(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  /** For a container that is no more. */
  forget(id: string): void {
    if (!this.#frozen.has(id)) this.#counts.delete(id);
  }
}
