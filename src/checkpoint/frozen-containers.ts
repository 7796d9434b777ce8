import { Code, CriError } from '../util/cri-error.js';
import { deferred } from '../util/deferred.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import { unlessAborted } from '../util/unless-aborted.js';

/**
 * Which containers stand still for a moment while their state is written down. No command can be started in one then: who wants
 * to, waits; but not where one is stuck.
 */
export class FrozenContainers {
  readonly #turns = new KeyedMutex();
  /** By container id: settles when it goes on. */
  readonly #frozen = new Map<string, Promise<void>>();
  readonly #counts = new Map<string, number>();
  /** By container id: what holds it. */
  readonly #stuck = new Map<string, { readonly reason: string }>();

  /**
   * Keeps commands from being started in the container during `work`, which is done for one caller after the other.
   * FAILED_PRECONDITION where it is stuck.
   */
  async during<T>(id: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turns.run(
      id,
      async () => {
        this.#refuseStuck(id);
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

  /** Waits until the container does not stand still. Throws the signal's reason if it aborts before; FAILED_PRECONDITION where it is stuck. */
  async gone(id: string, signal?: AbortSignal): Promise<void> {
    for (;;) {
      this.#refuseStuck(id);
      const frozen = this.#frozen.get(id);
      if (frozen === undefined) return;
      await unlessAborted(frozen, signal);
    }
  }

  /**
   * Has nobody wait for a container that stands still for nobody knows how long: whoever wants to gets `reason`, until `end` resolves
   * or rejects. To be called during the work that it is stuck in, so that no other comes in between.
   */
  stuck(id: string, reason: string, end: Promise<void>): void {
    const held = { reason };
    this.#stuck.set(id, held);
    const free = (): void => {
      if (this.#stuck.get(id) === held) this.#stuck.delete(id);
    };
    void end.then(free, free);
  }

  /** How often it has stood still: by two of these it is known whether it did in between. */
  timesOf(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  /** For a container that is no more. */
  forget(id: string): void {
    if (!this.#frozen.has(id)) this.#counts.delete(id);
  }

  #refuseStuck(id: string): void {
    const held = this.#stuck.get(id);
    if (held !== undefined) throw new CriError(Code.FAILED_PRECONDITION, held.reason);
  }
}
