import { mkdir, stat } from 'node:fs/promises';
import { isMissing } from '../util/is-missing.js';

/** As containerd, CRI-O and Docker's own `Binds` make them. */
const MODE = 0o755;

/** Makes a folder of the node with those above it where nothing has that path yet. Throws the file system's error. */
export async function makeIfMissing(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await mkdir(path, { recursive: true, mode: MODE });
  }
}
