import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { isMissingOrOther } from '../util/is-missing.js';

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Removes what is at a path below a folder, with all below it. No link is followed on the way, so that it stays inside; what is not
 * there is no error.
 */
export async function removeBelow(root: string, parts: readonly string[]): Promise<void> {
  let folder: FileHandle = await open(root, FOLDER);
  try {
    for (const part of parts.slice(0, -1)) {
      const next = await open(`/proc/self/fd/${folder.fd}/${part}`, FOLDER);
      await folder.close();
      folder = next;
    }
    await rm(`/proc/self/fd/${folder.fd}/${parts.at(-1) ?? ''}`, { recursive: true, force: true });
  } catch (error) {
    if (!isMissingOrOther(error)) throw error;
  } finally {
    await folder.close();
  }
}
