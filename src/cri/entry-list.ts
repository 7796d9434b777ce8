/**
 * Builds list replies from encoded entries that are kept with the records: a relist of an unchanged node costs a
 * lookup and a copy of bytes. Records are immutable, so an entry is encoded once a record.
 */
export class EntryList<Record extends object> {
  readonly #entries = new WeakMap<Record, Buffer>();
  readonly #encode: (record: Record) => Buffer;
  #whole: { version: number; bytes: Buffer } | undefined;

  /** `encode` answers a reply that holds this one entry: replies of one entry each may be joined. */
  constructor(encode: (record: Record) => Buffer) {
    this.#encode = encode;
  }

  /** The reply for all records; kept while `version` stays the same. */
  all(records: Iterable<Record>, version: number): Buffer {
    if (this.#whole?.version !== version) this.#whole = { version, bytes: this.some(records) };
    return this.#whole.bytes;
  }

  /** The reply for these records. */
  some(records: Iterable<Record>): Buffer {
    const parts: Buffer[] = [];
    for (const record of records) parts.push(this.#entry(record));
    return Buffer.concat(parts);
  }

  #entry(record: Record): Buffer {
    let bytes = this.#entries.get(record);
    if (bytes === undefined) {
      bytes = this.#encode(record);
      this.#entries.set(record, bytes);
    }
    return bytes;
  }
}
