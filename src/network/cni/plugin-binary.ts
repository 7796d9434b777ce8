import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/**
 * The path of the first executable file of this name in the folders, or undefined. Synchronous, as in `KeptContent`: a pod's
 * start waits for it.
 */
export function findPlugin(type: string, binDirs: readonly string[]): string | undefined {
  for (const dir of binDirs) {
    const path = join(dir, type);
    const stats = statsOf(path);
    if (stats?.isFile() === true && (stats.mode & 0o111) !== 0) return path;
  }
  return undefined;
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
