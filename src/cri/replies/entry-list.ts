import { KeptEncodings } from './kept-encodings.js';

/**
 * Builds list replies from encoded entries that are kept with the records: a relist of an unchanged node costs a
 * lookup and a copy of bytes. Records are immutable, so an entry is encoded once a record.
 */
export class EntryList<Record extends object> {
  readonly #entries: KeptEncodings<Record>;
  #whole: { version: number; bytes: Buffer } | undefined;

  /** `encode` answers a reply that holds this one entry: replies of one entry each may be joined. */
  constructor(encode: (record: Record) => Buffer) {
    this.#entries = new KeptEncodings(encode);
  }

  /** The reply for all records; kept while `version` stays the same. */
  all(records: Iterable<Record>, version: number): Buffer {
    if (this.#whole?.version !== version) this.#whole = { version, bytes: this.some(records) };
    return this.#whole.bytes;
  }

  /** The reply for these records. */
  some(records: Iterable<Record>): Buffer {
    const parts: Buffer[] = [];
    for (const record of records) parts.push(this.#entries.of(record));
    return Buffer.concat(parts);
  }
}
