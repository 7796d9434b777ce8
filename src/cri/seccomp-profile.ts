import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { invalidArgument, messageOf } from '../util/cri-error.js';

/** The field that names the profile, in sandboxes as in containers. */
export const SECCOMP_FIELD = 'config.linux.security_context.seccomp';

/** Larger than any profile: libseccomp's own limits end far below. */
const LONGEST_PROFILE_BYTES = 1024 * 1024;

/**
 * The text of a seccomp profile file, which Docker takes inline. INVALID_ARGUMENT that names `field` when it cannot be
 * read: a container must never run with less than was asked for.
 */
export async function readSeccompProfile(path: string, field: string): Promise<string> {
  try {
    return await readAtMost(path, LONGEST_PROFILE_BYTES);
  } catch (error) {
    throw invalidArgument(field, `cannot read the seccomp profile: ${messageOf(error)}`, { cause: error });
  }
}

/** Neither waits for a writer, as for that of a pipe, nor reads a device without end. */
async function readAtMost(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is not a file`);
    if (stat.size > maxBytes) throw new Error(`${path} is longer than ${maxBytes} bytes`);
    const buffer = Buffer.alloc(stat.size);
    const { bytesRead } = await file.read(buffer, 0, stat.size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
