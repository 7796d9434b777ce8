import { unlink } from 'node:fs/promises';
import { isMissing } from './is-missing.js';

/** Removes a file or a link; success when there is none. In one call of the system, where `rm` of Node takes three. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
