import type { ChildProcess } from 'node:child_process';
import { Code, CriError } from './cri-error.js';

/** What the system answers when it has no room for another process. */
const EXHAUSTED: Readonly<Record<string, string>> = {
  EMFILE: 'cridock has no file descriptors left',
  ENFILE: 'the node has no file descriptors left',
  EAGAIN: 'no more processes may be started',
  ENOMEM: 'no memory is left',
};

/**
 * The child, if it could be started. Rejects with RESOURCE_EXHAUSTED, or else Node's error, when it could not: without
 * descriptors Node answers a child that lacks even the streams that were asked for, and tells why only afterwards.
 */
export async function started<Child extends ChildProcess>(child: Child): Promise<Child> {
  if (child.pid !== undefined) return child;
  const error = await new Promise<Error>((resolve) => child.once('error', resolve));
  throw startFailure(error);
}

/** Why a process could not be started: RESOURCE_EXHAUSTED where the system had no room for it, else the error itself. */
export function startFailure(error: NodeJS.ErrnoException): Error {
  const { code = '', path = 'a process' } = error;
  const reason = EXHAUSTED[code];
  if (reason === undefined) return error;
  return new CriError(Code.RESOURCE_EXHAUSTED, `${path} cannot be started: ${reason} (${code})`, {
    cause: error,
  });
}
