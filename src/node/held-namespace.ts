import type { FileHandle } from 'node:fs/promises';
import { open, statfs } from 'node:fs/promises';

/** What statfs(2) tells of a namespace's file (NSFS_MAGIC). */
const NSFS_MAGIC = 0x6e736673;

/**
 * Does `work` with a namespace, which lasts until then whatever becomes of the processes in it and of its path. `work` is given
 * a path that leads to it from every process that may look into this one; '' when none of the paths is a namespace.
 */
export async function withHeldNamespace<T>(
  paths: readonly string[],
  work: (path: string) => Promise<T>,
): Promise<T> {
  const held = await openFirst(paths);
  if (held === undefined) return work('');
  try {
    return await work(`/proc/${process.pid}/fd/${held.fd}`);
  } finally {
    await held.close();
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
