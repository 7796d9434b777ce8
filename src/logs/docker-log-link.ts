import { lstat, mkdir, rename, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { isMissing } from '../util/is-missing.js';
import { removeFile } from '../util/remove-file.js';

/**
 * Makes `logPath`, where the kubelet looks for a container's log, a symbolic link to the json-file log that Docker
 * writes at `dockerLogPath`: cri-dockerd's way. Makes the folder above it, and replaces an older link in one step.
 * Throws FAILED_PRECONDITION when something else than a link is there, or `dockerLogPath` is empty as with other drivers,
 * and INTERNAL for other file errors.
 */
export async function linkDockerLog(logPath: string, dockerLogPath: string): Promise<void> {
  if (dockerLogPath === '') {
    throw new CriError(Code.FAILED_PRECONDITION, `the log driver keeps no file to link log ${logPath} to`);
  }
  const directory = dirname(logPath);
  const unfinished = join(directory, `.${basename(logPath)}.unfinished`);
  await reported(`cannot link log ${logPath} to ${dockerLogPath}`, async () => {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    if ((await kindAt(logPath)) === 'other') {
      throw new CriError(
        Code.FAILED_PRECONDITION,
        `log ${logPath} is there already and is not a symbolic link`,
      );
    }
    await removeFile(unfinished);
    await symlink(dockerLogPath, unfinished);
    await rename(unfinished, logPath);
  });
}

/** Removes the link at `logPath`; success when there is none. What is not a link is left alone. */
export async function unlinkDockerLog(logPath: string): Promise<void> {
  await reported(`cannot remove log link ${logPath}`, async () => {
    if ((await kindAt(logPath)) === 'link') await removeFile(logPath);
  });
}

async function kindAt(path: string): Promise<'nothing' | 'link' | 'other'> {
  try {
    return (await lstat(path)).isSymbolicLink() ? 'link' : 'other';
  } catch (error) {
    if (isMissing(error)) return 'nothing';
    throw error;
  }
}

async function reported(failure: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CriError) throw error;
    throw new CriError(Code.INTERNAL, `${failure}: ${messageOf(error)}`, { cause: error });
  }
}
