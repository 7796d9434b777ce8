/** Encodes each object once, and keeps the bytes as long as the object lives: for records, which are immutable. */
export class KeptEncodings<Source extends object> {
  readonly #kept = new WeakMap<Source, Buffer>();
  readonly #encode: (source: Source) => Buffer;

  constructor(encode: (source: Source) => Buffer) {
    this.#encode = encode;
  }

  of(source: Source): Buffer {
    let bytes = this.#kept.get(source);
    if (bytes === undefined) {
      bytes = this.#encode(source);
      this.#kept.set(source, bytes);
    }
    return bytes;
  }
}
