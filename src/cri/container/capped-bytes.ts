const FIRST_CAPACITY_BYTES = 1024;

/** Bytes that come in pieces, joined; what exceeds `maxBytes` is dropped. */
export class CappedBytes {
  readonly #maxBytes: number;
  #buffer = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies the piece: many small ones would otherwise keep the large chunks alive that they were cut from. */
  push(piece: Buffer): void {
    const wanted = Math.min(this.#length + piece.length, this.#maxBytes);
    if (wanted > this.#buffer.length) this.#grow(wanted);
    this.#length += piece.copy(this.#buffer, this.#length, 0, wanted - this.#length);
  }

  #grow(wanted: number): void {
    const capacity = Math.max(wanted, 2 * this.#buffer.length, FIRST_CAPACITY_BYTES);
    const larger = Buffer.allocUnsafe(Math.min(capacity, this.#maxBytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
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
