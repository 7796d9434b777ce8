import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../util/cri-error.js';
import { runProgram } from '../util/run-program.js';

/** The program that freezes, writes down and restores processes (https://criu.org). */
export interface Criu {
  /** The folder that it is in: the OCI runtime looks for it on its PATH. */
  readonly folder: string;
  /** Such as `4.2.1`. */
  readonly version: string;
}

/** What containerd and CRI-O ask for: the first that leaves a pod's namespaces to whom they belong. */
const LOWEST = [3, 16] as const;
const VERSION_TIMEOUT_MS = 10_000;
/** Where it may be beside PATH: services often have a PATH without them. */
const USUAL_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Looks for criu. A text says why there is none that can be used. */
export async function findCriu(path = process.env['PATH'] ?? ''): Promise<Criu | string> {
  const folders = [...path.split(':').filter((folder) => folder.startsWith('/')), ...USUAL_FOLDERS];
  for (const folder of folders) {
    const program = join(folder, 'criu');
    if (!(await isExecutable(program))) continue;
    try {
      const { stdout } = await runProgram(program, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS });
      const version = /^Version:\s*(\d+\.\d+(?:\.\d+)*)/m.exec(stdout)?.[1];
      if (version === undefined) return `${program} does not tell its version`;
      return isNewEnough(version)
        ? { folder, version }
        : `${program} ${version} is older than ${LOWEST.join('.')}`;
    } catch (error) {
      return `${program} cannot be run: ${messageOf(error)}`;
    }
  }
  return 'there is no criu on PATH';
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LOWEST[0] || (major === LOWEST[0] && minor >= LOWEST[1]);
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
