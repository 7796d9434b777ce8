import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { openLogToRead } from '../logs/open-log.js';

/**
 * Copies a container's log to a path where nothing is. The pod may be able to write to the log's folder: what is copied is the
 * plain file that was opened, whatever takes its place meanwhile. Nothing is where there is none, as after a rotation.
 */
export async function copyLog(from: string, to: string): Promise<void> {
  const file = await openLogToRead(from);
  if (file === undefined) return;
  try {
    await copyFile(`/proc/self/fd/${file.fd}`, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  } finally {
    await file.close();
  }
}
