/**
 * Runs a refresh per id so that a caller is sure of one that began after it asked, and so that two refreshes of
 * one id never overlap (a slow older answer cannot overwrite a newer one). Callers that ask while one runs share
 * the next.
 */
export class Refresher {
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();
  readonly #refresh: (id: string) => Promise<void>;

  constructor(refresh: (id: string) => Promise<void>) {
    this.#refresh = refresh;
  }

  /** Resolves when a refresh that began after this call is done; throws what that refresh throws. */
  request(id: string): Promise<void> {
    const waiting = this.#next.get(id);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(id);
    if (running === undefined) return this.#start(id);
    const begin = (): Promise<void> => {
      this.#next.delete(id);
      return this.#start(id);
    };
    const next = running.then(begin, begin);
    this.#next.set(id, next);
    return next;
  }

  /** Resolves when the refresh that runs now is done, at once when none does; never throws. */
  async running(id: string): Promise<void> {
    await this.#running.get(id)?.catch(() => undefined);
  }

  isRunning(id: string): boolean {
    return this.#running.has(id);
  }

  #start(id: string): Promise<void> {
    const run = this.#refresh(id).finally(() => {
      if (this.#running.get(id) === run) this.#running.delete(id);
    });
    this.#running.set(id, run);
    return run;
  }
}
