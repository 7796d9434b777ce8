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

  get(id: string): ObjectRecord | undefined {
    return this.sandboxes.get(id) ?? this.containers.get(id);
  }

  /** The object whose Docker container has this name (no leading slash). */
  named(name: string): ObjectRecord | undefined {
    return this.#byName.get(name);
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
    return [...this.sandboxes.keys(), ...this.containers.keys()];
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
