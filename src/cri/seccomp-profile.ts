import { invalidArgument, messageOf } from '../util/cri-error.js';
import { readAtMost } from '../util/read-at-most.js';

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
