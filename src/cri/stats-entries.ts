import { WireWriter, insideOf } from '../util/wire-writer.js';

/** The field that holds the entries, in the replies of all calls that list statistics. */
const ENTRIES_FIELD = 1;

interface Kept {
  /** The record's attributes, as the first bytes of its entry. */
  readonly attributes: Buffer;
  entry: Buffer | undefined;
  measuredAtMs: number;
}

/**
 * Encodes entries of statistics. Names, labels and annotations, which make up most of an entry, are encoded once a
 * record; records are immutable.
 */
export class StatsEntries<Record extends object, Stats> {
  readonly #kept = new WeakMap<Record, Kept>();
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

  /**
   * The record's entry, without what makes it a reply; undefined when it is not to be listed. `measure` answers the
   * encoded figures, and is asked unless those of an earlier call are younger than `maxAgeMs`.
   */
  entry(record: Record, measure: () => Buffer | undefined, maxAgeMs = 0): Buffer | undefined {
    const kept = this.#keptFor(record);
    const nowMs = performance.now();
    if (maxAgeMs === 0 || nowMs - kept.measuredAtMs >= maxAgeMs) {
      const figures = measure();
      kept.entry = figures && Buffer.concat([kept.attributes, figures]);
      kept.measuredAtMs = nowMs;
    }
    return kept.entry;
  }

  /** An entry with these figures alone. */
  encode(figures: Stats): Buffer {
    return insideOf(this.#encode(figures));
  }

  /** A reply of these entries; such replies may be joined. */
  reply(entries: readonly Buffer[]): Buffer {
    for (const entry of entries) this.#writer.field(ENTRIES_FIELD, entry);
    return this.#writer.take();
  }

  #keptFor(record: Record): Kept {
    let kept = this.#kept.get(record);
    if (kept === undefined) {
      const attributes = this.encode(this.#attributesOf(record));
      kept = { attributes, entry: undefined, measuredAtMs: -Infinity };
      this.#kept.set(record, kept);
    }
    return kept;
  }
}
