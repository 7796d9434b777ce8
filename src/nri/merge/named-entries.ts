/** A leading one in a name takes away what has that name. */
const REMOVAL = '-';

/** The name without the mark, and whether it had one. */
export function splitRemoval(name: string): { name: string; isRemoval: boolean } {
  return name.startsWith(REMOVAL) ? { name: name.slice(1), isRemoval: true } : { name, isRemoval: false };
}

export function removalOf(name: string): string {
  return `${REMOVAL}${name}`;
}

/** How the owners of a field's entries are kept. */
export interface EntryOwners {
  claim(name: string): void;
  release(name: string): void;
}

/** Entries by name that plugins set or take away; undefined for those that are taken away. In the order in which they were set. */
export class NamedEntries<Entry> {
  readonly #entries = new Map<string, Entry | undefined>();

  /** One plugin's wishes: what it takes away goes first, so that it may replace what another has set. */
  merge(asked: readonly (readonly [name: string, entry: Entry])[], owners: EntryOwners): void {
    for (const [marked] of asked) {
      const { name, isRemoval } = splitRemoval(marked);
      if (!isRemoval) continue;
      owners.release(name);
      this.#entries.delete(name);
      this.#entries.set(name, undefined);
    }
    for (const [name, entry] of asked) {
      if (splitRemoval(name).isRemoval) continue;
      owners.claim(name);
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
  }

  get all(): readonly (readonly [name: string, entry: Entry | undefined])[] {
    return [...this.#entries];
  }
}
