/** Bytes as they come, to be taken in pieces of known length. */
export class ByteQueue {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#length += chunk.length;
    // Small ones are joined as they come, so that many cost no more than their bytes: each is copied a few times at most.
    let last = chunk;
    for (let before = this.#chunks.at(-1); before !== undefined && before.length <= last.length;) {
      last = Buffer.concat([before, last]);
      this.#chunks.pop();
      before = this.#chunks.at(-1);
    }
    this.#chunks.push(last);
  }

  /** The first `count` bytes, which must be there; they stay. */
  peek(count: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= count) return first.subarray(0, count);
    if (this.#length < count) throw new RangeError(`${count} bytes of ${this.#length}`);
    const joined = Buffer.concat(this.#chunks);
    this.#chunks.splice(0, this.#chunks.length, joined);
    return joined.subarray(0, count);
  }

  /** Takes the first `count` bytes, which must be there. */
  take(count: number): Buffer {
    const bytes = this.peek(count);
    const [first] = this.#chunks;
    if (first !== undefined) {
      if (first.length === count) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(count);
    }
    this.#length -= count;
    return bytes;
  }
}
