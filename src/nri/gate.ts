import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code, CriError } from '../util/cri-error.js';
import { deferred, type Deferred } from '../util/deferred.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { within } from '../util/within.js';

/**
 * Keeps what makes pods and containers apart from the synchronisation of a plugin: each of them is either part of it, or made
 * when the plugin is told of events. Many may make something at a time; one that synchronises is alone.
 */
export class Gate {
  #inside = 0;
  #held: Promise<void> | undefined;
  #shut: Deferred | undefined;
  #left: Deferred | undefined;
  #isClosed = false;

  /** Nobody enters before `first` has resolved. */
  holdUntil(first: Promise<void>): void {
    const held = first.finally(() => (this.#held = undefined));
    this.#held = held;
  }

  /** Nobody enters any more. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Waits while it is shut; `leave` has to follow. Costs nothing while it is open. Throws UNAVAILABLE once it is closed, and the
   * signal's reason when it aborts while this waits: nobody has entered then.
   */
  enter(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#isClosed)
      throw new CriError(Code.UNAVAILABLE, 'cridock is being stopped, and NRI plugins with it');
    const opened = this.#held ?? this.#shut?.promise;
    if (opened !== undefined) return unlessAborted(opened, signal).then(() => this.enter(signal));
    this.#inside += 1;
    return undefined;
  }

  leave(): void {
    this.#inside -= 1;
    if (this.#inside === 0) this.#left?.resolve();
  }

  /** Does `work` while nobody is inside. Throws an Error when somebody stays for longer than `timeoutMs`. */
  async alone<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    while (this.#shut !== undefined) {
      await this.#shut.promise;
      await nextTurn(); // those who wait to enter come first: plugins that hang one after the other hold up nobody for long
    }
    const shut = deferred();
    this.#shut = shut;
    try {
      if (this.#inside > 0) {
        this.#left = deferred();
        await within(timeoutMs, this.#left.promise);
      }
      if (this.#inside > 0) throw new Error('a container is being created that takes too long');
      return await work();
    } finally {
      this.#left = undefined;
      this.#shut = undefined;
      shut.resolve();
    }
  }
}
