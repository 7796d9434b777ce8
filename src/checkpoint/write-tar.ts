import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { Code, CriError, messageOf } from '../util/cri-error.js';

const MAX_TEXT = 500;
/** Of one record of tar's. */
const PROBE_BYTES = 10_240;

/**
 * Has the node's tar write an archive, for its owner alone, of what `words` name below `folder`: however large it is, it takes
 * nothing of cridock's memory and time. The file must not exist, and stays whole on a power cut. Throws RESOURCE_EXHAUSTED where there
 * is no room for it, else INTERNAL with what tar says.
 */
export async function writeTar(
  path: string,
  folder: string,
  words: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const file = await open(path, 'wx', 0o600);
  try {
    const arguments_ = ['--create', '--format=posix', '--numeric-owner', `--directory=${folder}`, ...words];
    const env = { ...process.env, LC_ALL: 'C' };
    const tar = spawn('tar', arguments_, { stdio: ['ignore', file.fd, 'pipe'], env });
    const kill = (): void => void tar.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    let text = '';
    tar.stderr?.on('data', (bytes: Buffer) => (text = (text + bytes.toString()).slice(-MAX_TEXT)));
    try {
      const [status] = (await once(tar, 'close')) as [number | null];
      signal.throwIfAborted();
      if (status !== 0) throw await failure(path, file, text.trim());
      await file.sync();
    } finally {
      signal.removeEventListener('abort', kill);
    }
  } finally {
    await file.close();
  }
}

/** Why no more of a file was written, tar does not tell, but the file system does. */
async function failure(path: string, file: FileHandle, text: string): Promise<CriError> {
  try {
    await file.write(Buffer.alloc(PROBE_BYTES));
  } catch (error) {
    const reason = `${path} cannot be written: ${messageOf(error)}`;
    return new CriError(Code.RESOURCE_EXHAUSTED, reason, { cause: error });
  }
  return new CriError(Code.INTERNAL, `tar cannot write ${path}: ${text}`);
}
