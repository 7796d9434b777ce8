const EVERY_MS = 3_600_000;
const FIRST_BACK_OFF_MS = 600_000;
const LONGEST_BACK_OFF_MS = 86_400_000;

/**
 * When a network's plugins are to collect garbage: once when cridock has come up, then every hour, and after failures
 * ever more rarely. A configuration that has changed starts anew.
 */
export class GcSchedule {
  readonly #nowMs: () => number;
  #config: string | undefined;
  #dueAtMs = 0;
  #backOffMs = FIRST_BACK_OFF_MS;

  /** @param nowMs a clock that never goes back */
  constructor(nowMs = (): number => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** @param config the text of the network's configuration */
  isDue(config: string): boolean {
    if (config !== this.#config) {
      this.#config = config;
      this.#backOffMs = FIRST_BACK_OFF_MS;
      this.#dueAtMs = 0;
      return true;
    }
    return this.#nowMs() >= this.#dueAtMs;
  }

  succeeded(): void {
    this.#backOffMs = FIRST_BACK_OFF_MS;
    this.#dueAtMs = this.#nowMs() + EVERY_MS;
  }

  /** Answers for how long it will not be tried again. */
  failed(): number {
    const backOffMs = this.#backOffMs;
    this.#dueAtMs = this.#nowMs() + backOffMs;
    this.#backOffMs = Math.min(backOffMs * 2, LONGEST_BACK_OFF_MS);
    return backOffMs;
  }
}
