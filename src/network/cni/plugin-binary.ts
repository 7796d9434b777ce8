import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The path of the first executable file of this name in the folders, or undefined. */
export async function findPlugin(type: string, binDirs: readonly string[]): Promise<string | undefined> {
  for (const dir of binDirs) {
    const path = join(dir, type);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile() === true && (stats.mode & 0o111) !== 0) return path;
  }
  return undefined;
}
