import { lstat, opendir } from 'node:fs/promises';
import { posix } from 'node:path';

/** What a folder and everything below it takes on its filesystem. */
export interface FolderSize {
  /** Allocated, so that holes in files do not count; of a file with several names once. */
  readonly bytes: number;
  readonly inodes: number;
}

const BLOCK_BYTES = 512;
const ENTRIES_A_PAUSE = 64;

/**
 * Measures a folder without following links or leaving out anything. Calls `pause` after every few entries.
 * What vanishes meanwhile is left out. Undefined when the folder itself is not there.
 */
export async function measureFolder(
  root: string,
  pause: () => Promise<void>,
): Promise<FolderSize | undefined> {
  const pending = [root];
  const linked = new Set<string>();
  let bytes = 0;
  let inodes = 0;
  let sincePause = 0;
  const count = async (path: string): Promise<void> => {
    const entry = await unlessGone(lstat(path));
    if (entry === undefined) return;
    if (entry.nlink > 1 && !entry.isDirectory()) {
      const inode = `${entry.dev}:${entry.ino}`;
      if (linked.has(inode)) return;
      linked.add(inode);
    }
    bytes += entry.blocks * BLOCK_BYTES;
    inodes += 1;
  };
  await count(root);
  if (inodes === 0) return undefined;
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const entries = await unlessGone(opendir(folder));
    if (entries === undefined) continue;
    for await (const entry of entries) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) pending.push(path);
      await count(path);
      sincePause += 1;
      if (sincePause >= ENTRIES_A_PAUSE) {
        sincePause = 0;
        await pause();
      }
    }
  }
  return { bytes, inodes };
}

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}
