import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { removeFile } from './remove-file.js';

/** What a written file has to outlast. */
export type Outlasts = 'a crash' | 'a power cut';

/**
 * Writes a file, for its owner alone, so that at any moment it has its old content or the new one. That holds for a crash of
 * cridock, and by waiting for the disk for a power cut too: without, the file may then be gone, or cut short. Facts on what
 * runs need no such wait, as nothing of it is left either. `unfinished` is the name beside it that the text has until it is whole; a
 * crash may leave it, a failure does not.
 */
export async function replaceFile(
  path: string,
  unfinished: string,
  text: string,
  outlasts: Outlasts = 'a power cut',
): Promise<void> {
  try {
    const file = await open(unfinished, 'w', 0o600);
    try {
      await file.writeFile(text);
      if (outlasts === 'a power cut') await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await removeFile(unfinished).catch(() => undefined);
    throw error;
  }
  if (outlasts === 'a power cut') await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
