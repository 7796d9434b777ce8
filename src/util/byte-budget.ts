/** Bytes of memory that many take from, so that what they keep together is bounded. */
export class ByteBudget {
  readonly #bytes: number;
  readonly #onSpent: () => void;
  #left: number;
  #told = false;

  /** `onSpent` is called when somebody gets less than is needed, and not again before all has been given back. */
  constructor(bytes: number, onSpent: () => void = () => undefined) {
    this.#bytes = bytes;
    this.#onSpent = onSpent;
    this.#left = bytes;
  }

  /** Answers how many bytes are granted, to be given back later: what is needed, and more as it is wished, as far as there are any. */
  take(needed: number, wished = needed): number {
    const granted = Math.min(wished, this.#left);
    this.#left -= granted;
    if (granted < needed && !this.#told) {
      this.#told = true;
      this.#onSpent();
    }
    return granted;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
    if (this.#left === this.#bytes) this.#told = false;
  }
}
