import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isMissing, isMissingOrOther } from '../util/is-missing.js';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/**
 * Opens a container's log to append to it and to read it; makes it, and the folders above it, where there is none. A pod
 * that may write to the node's log folder must not lead root elsewhere: neither the file nor its folder may be a symbolic
 * link, and the file no pipe, which could hold up who writes. Throws what the file system says.
 */
export async function openLog(path: string): Promise<FileHandle> {
  const file = await openIn(await openFolder(dirname(path)), path, O_RDWR | O_APPEND | O_CREAT);
  if (!fstatSync(file.fd).isFIFO()) return file;
  await file.close();
  throw new Error(`${path} is a pipe`);
}

/** Opens a container's log to read it, by the same rules; undefined where there is no plain file. */
export async function openLogToRead(path: string): Promise<FileHandle | undefined> {
  try {
    const file = await openIn(openSync(dirname(path), FOLDER), path, O_RDONLY);
    if (fstatSync(file.fd).isFile()) return file;
    await file.close();
  } catch (error) {
    if (!isMissingOrOther(error)) throw error;
  }
  return undefined;
}

/** `folder` is a descriptor, which is closed. */
async function openIn(folder: number, path: string, flags: number): Promise<FileHandle> {
  const inFolder = `/proc/self/fd/${folder}/${basename(path)}`;
  try {
    return await open(inFolder, flags | O_NOFOLLOW | O_NONBLOCK, 0o640);
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replace(inFolder, path);
    throw error;
  } finally {
    closeSync(folder);
  }
}

/**
 * As a rule it is there: the kubelet makes it, or the container that was started before. Looked up at once, as what is known of an
 * open file is: a thread of libuv's takes ten times as long for it.
 */
async function openFolder(path: string): Promise<number> {
  try {
    return openSync(path, FOLDER);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await mkdir(path, { recursive: true, mode: 0o755 });
  return openSync(path, FOLDER);
}
