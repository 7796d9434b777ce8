import { constants } from 'node:fs';
import { open, opendir, type FileHandle } from 'node:fs/promises';
import { isMissingOrOther } from '../util/is-missing.js';

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Entries that are read, and those that are looked at, in one go. */
const READ_AHEAD = 64;
const BATCH = 16;

/** Opens a folder, and nothing else: no link to one, and no FIFO that waits for a writer. */
export async function openFolder(path: string | Buffer): Promise<FileHandle> {
  return open(path, FOLDER_FLAGS);
}

/**
 * The names in a folder, some at a time, in latin1: a character a byte, as they need not be UTF-8. With `taken` only those of
 * folders, without the first so many.
 */
export async function* nameBatches(folder: FileHandle, taken: number): AsyncGenerator<string[]> {
  const path = `/proc/self/fd/${folder.fd}`;
  const entries = await opendir(path, { encoding: 'latin1', bufferSize: READ_AHEAD });
  let batch: string[] = [];
  let passed = 0;
  let folders = 0;
  for await (const entry of entries) {
    passed += 1;
    if (entry.isDirectory()) folders += 1;
    if (taken === 0 || (entry.isDirectory() && folders > taken)) batch.push(entry.name);
    if (batch.length === BATCH || passed === READ_AHEAD) {
      yield batch;
      batch = [];
      passed = 0;
    }
  }
  yield batch;
}

/** The path of what is in an open folder, whatever becomes of the folder's own path. */
export function below({ fd }: FileHandle, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1');
}

/** Undefined for what is not there, or is a link or a file where a folder was. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissingOrOther(error)) return undefined;
    throw error;
  }
}
