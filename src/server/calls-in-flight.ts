/** A call whose handler has not ended. */
export interface CallInFlight {
  readonly rpc: string;
  /** By the monotonic clock of `performance.now()`. */
  readonly startedAtMs: number;
}

/** The calls whose handlers have not ended, also those that no client waits for any more. */
export class CallsInFlight {
  readonly #calls = new Set<CallInFlight>();
  #waiters: (() => void)[] = [];

  /** The oldest first. */
  get all(): readonly CallInFlight[] {
    return [...this.#calls];
  }

  get count(): number {
    return this.#calls.size;
  }

  /** Counts a call until what this answers is called. */
  begin(rpc: string): () => void {
    const call = { rpc, startedAtMs: performance.now() };
    this.#calls.add(call);
    return () => {
      this.#calls.delete(call);
      if (this.#calls.size > 0) return;
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const resolve of waiters) resolve();
    };
  }

  /** Resolves when no call is left. */
  async idle(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}
