import { WireWriter } from '../util/wire-writer.js';

/** The field that holds the entries, in the replies of all calls that answer statistics. */
const ENTRIES_FIELD = 1;

interface Kept {
  /** The record's attributes, as the first bytes of its entry. */
  readonly attributes: Buffer;
  entry: Buffer | undefined;
  measuredAtMs: number;
}

/** Writes the fields of an entry that change from call to call. */
export type WriteFigures = (writer: WireWriter) => void;

/**
 * Encodes entries of statistics. Names, labels and annotations, which make up most of an entry, are encoded once a
 * record; records are immutable.
 */
export class StatsEntries<Record extends object> {
  readonly #kept = new WeakMap<Record, Kept>();
  readonly #encodeAttributes: (record: Record) => Buffer;
  readonly #writer = new WireWriter();

  /** `encodeAttributes` answers an entry with nothing but what tells whose it is. */
  constructor(encodeAttributes: (record: Record) => Buffer) {
    this.#encodeAttributes = encodeAttributes;
  }

  /** An entry of the record, with figures behind its attributes. */
  encode(record: Record, writeFigures: WriteFigures): Buffer {
    const { attributes } = this.#keptFor(record);
    return this.#writer.encode(() => {
      this.#writer.bytes(attributes);
      writeFigures(this.#writer);
    });
  }

  /**
   * The record's entry in lists. `measure` answers how to write the figures, or undefined when the record is not to be
   * listed; it is not asked when an earlier answer is younger than `maxAgeMs`.
   */
  entry(record: Record, measure: () => WriteFigures | undefined, maxAgeMs = 0): Buffer | undefined {
    const kept = this.#keptFor(record);
    const nowMs = performance.now();
    if (nowMs - kept.measuredAtMs >= maxAgeMs) {
      const writeFigures = measure();
      kept.entry = writeFigures && this.encode(record, writeFigures);
      kept.measuredAtMs = nowMs;
    }
    return kept.entry;
  }

  /** A reply of these entries; such replies may be joined. */
  reply(entries: readonly Buffer[]): Buffer {
    return this.#writer.encode(() => {
      for (const entry of entries) this.#writer.encoded(ENTRIES_FIELD, entry);
    });
  }

  #keptFor(record: Record): Kept {
    let kept = this.#kept.get(record);
    if (kept === undefined) {
      kept = { attributes: this.#encodeAttributes(record), entry: undefined, measuredAtMs: -Infinity };
      this.#kept.set(record, kept);
    }
    return kept;
  }
}
