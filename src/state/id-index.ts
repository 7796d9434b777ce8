import { Code, CriError } from '../util/cri-error.js';

/**
 * Looks objects up by id or unique id prefix. Prefixes are resolved here, in cridock's own tables, and never
 * handed to Docker, where they could also match containers that are not ours.
 */
export class IdIndex<T> {
  readonly #byId = new Map<string, T>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): T | undefined {
    return this.#byId.get(id);
  }

  set(id: string, value: T): void {
    this.#byId.set(id, value);
  }

  delete(id: string): boolean {
    return this.#byId.delete(id);
  }

  values(): IterableIterator<T> {
    return this.#byId.values();
  }

  keys(): IterableIterator<string> {
    return this.#byId.keys();
  }

  /**
   * The object with this id, or the only one whose id begins with it; undefined when there is none.
   * Throws INVALID_ARGUMENT naming `field` when several begin with it.
   */
  resolve(idOrPrefix: string, field: string): T | undefined {
    const exact = this.#byId.get(idOrPrefix);
    if (exact !== undefined || idOrPrefix === '') return exact;
    let found: T | undefined;
    for (const [id, value] of this.#byId) {
      if (!id.startsWith(idOrPrefix)) continue;
      if (found !== undefined) {
        throw new CriError(
          Code.INVALID_ARGUMENT,
          `${field}: "${idOrPrefix}" is the beginning of several ids`,
        );
      }
      found = value;
    }
    return found;
  }
}
