/** How long things took that succeeded, by what was done. */
export class Durations {
  readonly #ms = new Map<string, number[]>();

  /** Runs the work and answers as it does. */
  async time<T>(what: string, work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    const result = await work();
    const times = this.#ms.get(what) ?? [];
    this.#ms.set(what, times);
    times.push(performance.now() - beganMs);
    return result;
  }

  /** What was done, and the milliseconds of each time. */
  entries(): Iterable<[string, readonly number[]]> {
    return this.#ms.entries();
  }
}
