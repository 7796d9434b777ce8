import { mkdir, stat } from 'node:fs/promises';

/** As containerd, CRI-O and Docker's own `Binds` make them. */
const MODE = 0o755;

/** Makes a folder of the node with those above it where nothing has that path yet. Throws the file system's error. */
export async function makeIfMissing(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    await mkdir(path, { recursive: true, mode: MODE });
  }
}
