import { IdIndex } from './id-index.js';
import type { ContainerRecord, ObjectRecord, SandboxRecord } from './records.js';

/**
 * The picture of all sandboxes and containers that the node's reads are answered from. Holds and indexes records;
 * knows nothing of Docker.
 */
export class Picture {
  readonly sandboxes = new IdIndex<SandboxRecord>();
  readonly containers = new IdIndex<ContainerRecord>();
  readonly #byName = new Map<string, ObjectRecord>();
  readonly #members = new Map<string, Set<string>>();
  /** By Docker name: what is not to be shown yet; undefined until it is there. */
  readonly #concealed = new Map<string, ObjectRecord | undefined>();
  #sandboxVersion = 0;
  #containerVersion = 0;

  /** Grows with every change of a sandbox: replies derived from all of them may be kept until it does. */
  get sandboxVersion(): number {
    return this.#sandboxVersion;
  }

  /** Grows with every change of a container. */
  get containerVersion(): number {
    return this.#containerVersion;
  }

  /** Adds a record or puts it in the place of the earlier one with its id. */
  put(record: ObjectRecord): void {
    this.delete(record.id);
    if (this.#concealed.has(record.name)) {
      this.#concealed.set(record.name, record);
      return;
    }
    this.#byName.set(record.name, record);
    if (record.kind === 'sandbox') {
      this.sandboxes.set(record.id, record);
      this.#sandboxVersion += 1;
      return;
    }
    this.containers.set(record.id, record);
    this.#containerVersion += 1;
    const members = this.#members.get(record.sandboxId) ?? new Set<string>();
    members.add(record.id);
    this.#members.set(record.sandboxId, members);
  }

  /** Forgets the object, if it is known. */
  delete(id: string): void {
    const record = this.get(id);
    if (record === undefined) return;
    if (this.isConcealed(record)) {
      this.#concealed.set(record.name, undefined);
      return;
    }
    if (this.#byName.get(record.name) === record) this.#byName.delete(record.name);
    if (record.kind === 'sandbox') {
      this.sandboxes.delete(id);
      this.#sandboxVersion += 1;
      return;
    }
    this.containers.delete(id);
    this.#containerVersion += 1;
    const members = this.#members.get(record.sandboxId);
    members?.delete(id);
    if (members?.size === 0) this.#members.delete(record.sandboxId);
  }

  /** Also what is concealed: whoever knows the id may have it. */
  get(id: string): ObjectRecord | undefined {
    const shown = this.sandboxes.get(id) ?? this.containers.get(id);
    if (shown !== undefined || this.#concealed.size === 0) return shown;
    return this.#concealedRecords().find((record) => record.id === id);
  }

  /** The object whose Docker container has this name (no leading slash), also a concealed one. */
  named(name: string): ObjectRecord | undefined {
    return this.#byName.get(name) ?? this.#concealed.get(name);
  }

  /** Keeps the object that is made with this name out of `sandboxes` and `containers`, until it is revealed. */
  conceal(name: string): void {
    if (!this.#byName.has(name) && !this.#concealed.has(name)) this.#concealed.set(name, undefined);
  }

  /** Keeps an object that is there out of them as well. */
  hide(record: ObjectRecord): void {
    this.delete(record.id);
    this.#concealed.set(record.name, record);
  }

  /** Shows it. Answers what was concealed, if it is there. */
  reveal(name: string): ObjectRecord | undefined {
    const record = this.#concealed.get(name);
    this.#concealed.delete(name);
    if (record !== undefined) this.put(record);
    return record;
  }

  isConcealed({ name, id }: ObjectRecord): boolean {
    return this.#concealed.get(name)?.id === id;
  }

  /**
   * The workload containers of a sandbox, the newest first: a kubelet with its gate EventedPLEG takes the first status of a
   * name for the last attempt, and would make that attempt once more for ever if it were an older one's.
   */
  membersOf(sandboxId: string): ContainerRecord[] {
    const members: ContainerRecord[] = [];
    for (const id of this.#members.get(sandboxId) ?? []) {
      const record = this.containers.get(id);
      if (record !== undefined) members.push(record);
    }
    return members.sort(newestFirst);
  }

  /** Ids of everything that is known. */
  ids(): string[] {
    const concealed = this.#concealedRecords().map(({ id }) => id);
    return [...this.sandboxes.keys(), ...this.containers.keys(), ...concealed];
  }

  #concealedRecords(): ObjectRecord[] {
    return [...this.#concealed.values()].filter((record) => record !== undefined);
  }
}

/** The lock that covers a container: its pod's, or its own when the sandbox is gone. */
export function podLockKey(picture: Picture, container: ContainerRecord): string {
  return picture.sandboxes.get(container.sandboxId)?.name ?? container.sandboxId;
}

function newestFirst(a: ContainerRecord, b: ContainerRecord): number {
  if (a.createdAtNs !== b.createdAtNs) return a.createdAtNs > b.createdAtNs ? -1 : 1;
  return b.metadata.attempt - a.metadata.attempt;
}
