import type { ByteBudget } from '../../util/byte-budget.js';

const FIRST_CAPACITY_BYTES = 1024;

/** Kept without a budget, so that what is printed in one pod hides no answer of another; of a probe's the kubelet reads 10 KiB. */
const FREE_BYTES = 16 * 1024;

/** Bytes that come in pieces, joined; what exceeds `maxBytes`, or the budget that others share, is dropped. */
export class CappedBytes {
  readonly #budget: ByteBudget;
  #maxBytes: number;
  #buffer = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number, budget: ByteBudget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies the piece: many small ones would otherwise keep the large chunks alive that they were cut from. */
  push(piece: Buffer): void {
    if (this.#length + piece.length > this.#buffer.length) this.#grow(this.#length + piece.length);
    this.#length += piece.copy(this.#buffer, this.#length);
  }

  /** Keeps nothing any more, and gives the budget back. What `bytes` has answered stays. */
  drop(): void {
    this.#budget.giveBack(counted(this.#buffer.length));
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    this.#maxBytes = 0;
  }

  #grow(wanted: number): void {
    const needed = Math.min(wanted, this.#maxBytes);
    const wished = Math.min(Math.max(needed, 2 * this.#buffer.length, FIRST_CAPACITY_BYTES), this.#maxBytes);
    const has = counted(this.#buffer.length);
    const lacking = counted(wished) - has - this.#budget.take(counted(needed) - has, counted(wished) - has);
    const capacity = wished - lacking;
    // Once something is dropped nothing behind it is kept, also when there is room again.
    if (capacity < needed) this.#maxBytes = capacity;
    if (capacity === this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(capacity);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function counted(capacity: number): number {
  return Math.max(0, capacity - FREE_BYTES);
}

/**
 * The beginnings of two outputs that together have at most `maxBytes`: when both are long each gets half, else the shorter one
 * stays whole.
 */
export function fitted(one: Buffer, other: Buffer, maxBytes: number): [Buffer, Buffer] {
  const share = (own: Buffer, beside: Buffer): Buffer =>
    own.subarray(0, Math.max(Math.floor(maxBytes / 2), maxBytes - beside.length));
  return [share(one, other), share(other, one)];
}
