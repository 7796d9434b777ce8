import { WireWriter, insideOf, messageTag } from '../util/wire-writer.js';

/** The field that holds the entries, in the replies of all calls that list statistics. */
const ENTRIES_FIELD = 1;

/**
 * Encodes entries of statistics. Names, labels and annotations, which make up most of an entry, are encoded once a
 * record; records are immutable.
 */
export class StatsEntries<Record extends object, Stats> {
  readonly #attributes = new WeakMap<Record, Buffer>();
  readonly #attributesOf: (record: Record) => Stats;
  readonly #encode: (stats: Stats) => Buffer;
  readonly #writer = new WireWriter();

  /**
   * `attributesOf` answers a message with the record's attributes alone; `encode` a reply that holds this one entry.
   */
  constructor(attributesOf: (record: Record) => Stats, encode: (stats: Stats) => Buffer) {
    this.#attributesOf = attributesOf;
    this.#encode = encode;
  }

  /** A reply that holds the record's attributes with these figures; such replies may be joined. */
  encode(record: Record, figures: Stats): Buffer {
    const attributes = this.#attributesFor(record);
    const rest = insideOf(this.#encode(figures));
    this.#writer.byte(messageTag(ENTRIES_FIELD));
    this.#writer.varint(attributes.length + rest.length);
    this.#writer.bytes(attributes);
    this.#writer.bytes(rest);
    return this.#writer.take();
  }

  #attributesFor(record: Record): Buffer {
    let bytes = this.#attributes.get(record);
    if (bytes === undefined) {
      bytes = insideOf(this.#encode(this.#attributesOf(record)));
      this.#attributes.set(record, bytes);
    }
    return bytes;
  }
}
