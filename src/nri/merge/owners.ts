import { Field } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { Field__Output } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { CompoundFieldOwners } from '../../gen/nri/pkg/api/v1alpha1/CompoundFieldOwners.js';
import type { FieldOwners } from '../../gen/nri/pkg/api/v1alpha1/FieldOwners.js';
import type { OwningPlugins } from '../../gen/nri/pkg/api/v1alpha1/OwningPlugins.js';
import { Code, CriError } from '../../util/cri-error.js';

/** Who has taken away what another plugin had set: from then on it is that one's to set. */
const REMOVED = '-';

/**
 * Which plugin has set which field of which container, so that no two set the same one. A key names the entry of a field that has
 * several, such as the variable.
 */
export class Owners {
  readonly #simple = new Map<string, Map<Field__Output, string>>();
  readonly #compound = new Map<string, Map<Field__Output, Map<string, string>>>();

  /** Throws FAILED_PRECONDITION that names both where another plugin has it. */
  claim(container: string, field: Field__Output, plugin: string, key?: string): void {
    const owner = this.#owner(container, field, key);
    const other = owner?.startsWith(REMOVED) === true ? owner.slice(1) : owner;
    const isOwn = owner === `${REMOVED}${plugin}`;
    if (other !== undefined && !isOwn) {
      const what = key === undefined ? nameOf(field) : `${nameOf(field)} ${key}`;
      throw new CriError(
        Code.FAILED_PRECONDITION,
        `the NRI plugins ${other} and ${plugin} both set ${what} of container ${container}`,
      );
    }
    this.#set(container, field, key, plugin);
  }

  /** The plugin has taken away what is there, and may set it anew. Nothing to do where nobody owns it. */
  release(container: string, field: Field__Output, plugin: string, key?: string): void {
    if (this.#owner(container, field, key) === undefined) return;
    this.#set(container, field, key, `${REMOVED}${plugin}`);
  }

  /** Of a field that plugins add to. */
  add(container: string, field: Field__Output, plugin: string): void {
    const owner = this.#owner(container, field, undefined);
    this.#set(container, field, undefined, owner === undefined ? plugin : `${owner},${plugin}`);
  }

  /** For plugins that judge. */
  message(): OwningPlugins {
    const ids = new Set([...this.#simple.keys(), ...this.#compound.keys()]);
    const owners = [...ids].map((id): [string, FieldOwners] => [id, this.#ownersOf(id)]);
    return { owners: Object.fromEntries(owners) };
  }

  #ownersOf(id: string): FieldOwners {
    const compound = [...(this.#compound.get(id) ?? [])].map(([field, entries]) => [
      field,
      { owners: Object.fromEntries(entries) },
    ]);
    return {
      simple: Object.fromEntries(this.#simple.get(id) ?? []),
      compound: Object.fromEntries(compound) as Record<number, CompoundFieldOwners>,
    };
  }

  #owner(container: string, field: Field__Output, key: string | undefined): string | undefined {
    if (key === undefined) return this.#simple.get(container)?.get(field);
    return this.#compound.get(container)?.get(field)?.get(key);
  }

  #set(container: string, field: Field__Output, key: string | undefined, plugin: string): void {
    if (key === undefined) {
      const fields = this.#simple.get(container) ?? new Map<Field__Output, string>();
      this.#simple.set(container, fields.set(field, plugin));
      return;
    }
    const fields = this.#compound.get(container) ?? new Map<Field__Output, Map<string, string>>();
    const entries = fields.get(field) ?? new Map<string, string>();
    this.#compound.set(container, fields.set(field, entries.set(key, plugin)));
  }
}

function nameOf(field: Field__Output): string {
  return Object.entries(Field).find(([, number]) => number === field)?.[0] ?? String(field);
}
