import type { FileHandle } from 'node:fs/promises';
import { open, statfs } from 'node:fs/promises';

/** What statfs(2) tells of a namespace's file (NSFS_MAGIC). */
const NSFS_MAGIC = 0x6e736673;

interface Held {
  readonly handle: FileHandle;
  users: number;
}

/**
 * Namespaces that work is done with. One lasts until its work is done, whatever becomes of the processes in it and of its
 * path; when the work fails, also until it is tried again with success: a descriptor each.
 */
export class HeldNamespaces {
  readonly #held = new Map<string, Held>();

  /**
   * Does the `work` of a `key` with the namespace that is held for it, or else the first of `paths` that is one. `work` is
   * given a path that leads to it from every process that may look into this one; '' when there is none.
   */
  async with<T>(key: string, paths: readonly string[], work: (path: string) => Promise<T>): Promise<T> {
    const held = await this.#take(key, paths);
    if (held === undefined) return work('');
    try {
      const result = await work(`/proc/${process.pid}/fd/${held.handle.fd}`);
      if (this.#held.get(key) === held) this.#held.delete(key);
      return result;
    } finally {
      held.users -= 1;
      if (held.users === 0 && this.#held.get(key) !== held) await held.handle.close();
    }
  }

  /** With its user counted from the moment on that it is found: others may be letting it go. */
  async #take(key: string, paths: readonly string[]): Promise<Held | undefined> {
    const known = this.#held.get(key);
    if (known !== undefined) {
      known.users += 1;
      return known;
    }
    const handle = await openFirst(paths);
    const meanwhile = this.#held.get(key);
    if (meanwhile !== undefined) {
      await handle?.close();
      return this.#take(key, paths); // it may have been let go while that was closed
    }
    if (handle === undefined) return undefined;
    const held = { handle, users: 1 };
    this.#held.set(key, held);
    return held;
  }
}

/** Whether this is the path of a namespace. */
export async function isNamespace(path: string): Promise<boolean> {
  return statfs(path).then(
    ({ type }) => type === NSFS_MAGIC,
    () => false,
  );
}

async function openFirst(paths: readonly string[]): Promise<FileHandle | undefined> {
  for (const path of paths) {
    // What is no namespace is not opened: it may be a FIFO, or a device. It is looked at once more as what was opened.
    const handle = (await isNamespace(path)) ? await open(path).catch(() => undefined) : undefined;
    if (handle === undefined) continue;
    if (await isNamespace(`/proc/self/fd/${handle.fd}`)) return handle;
    await handle.close();
  }
  return undefined;
}
