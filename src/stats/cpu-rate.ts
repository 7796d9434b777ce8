/** A reading of a counter of CPU time. */
export interface CpuSample {
  /** `performance.now()`. */
  readonly atMs: number;
  readonly usageNs: number;
}

/** A rate over less than this is too coarse: a CPU quota alone lets usage jump every 100 ms. */
const SHORTEST_MS = 5_000;

/** The last two samples of a counter, from which a live reading becomes a rate. */
export class CpuRate {
  #last: CpuSample | undefined;
  #before: CpuSample | undefined;

  /** Takes a sample; to be called every few seconds. */
  sample(sample: CpuSample): void {
    this.#before = this.#last;
    this.#last = sample;
  }

  /**
   * Nanoseconds of CPU time a second (CRI: usage_nano_cores) up to this reading, since the latest sample that is old
   * enough; undefined while there is none.
   */
  nanoCores(now: CpuSample): number | undefined {
    const isOldEnough = (sample: CpuSample | undefined): boolean =>
      sample !== undefined && now.atMs - sample.atMs >= SHORTEST_MS;
    const from = isOldEnough(this.#last) ? this.#last : isOldEnough(this.#before) ? this.#before : undefined;
    if (from === undefined) return undefined;
    return Math.max(0, Math.round(((now.usageNs - from.usageNs) * 1000) / (now.atMs - from.atMs)));
  }
}
