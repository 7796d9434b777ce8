import { execFile, type ExecFileOptions } from 'node:child_process';
import { promisify } from 'node:util';

/** What a program has printed. */
export interface ProgramOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** How long a program may run, and what it is run with. */
export interface ProgramOptions extends Pick<ExecFileOptions, 'cwd' | 'env' | 'maxBuffer'> {
  readonly timeoutMs: number;
}

/** How long a killed program is waited for; longer only when the kernel holds it, as on a disk that does not answer. */
const REAP_MS = 2_000;

/**
 * Runs a program to its end. Throws an Error with what it says when it cannot be started or fails, and one when it has not ended
 * within `timeoutMs`: it is killed then, and not waited for where it does not die of that.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { timeoutMs, ...options }: ProgramOptions,
): Promise<ProgramOutput> {
  const limits = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
  const running = promisify(execFile)(file, args, { ...options, ...limits });
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late(file, timeoutMs)), timeoutMs + REAP_MS);
  });
  try {
    return await Promise.race([running, overdue]);
  } catch (error) {
    const isKilled = error instanceof Error && 'killed' in error && error.killed === true;
    throw isKilled ? late(file, timeoutMs) : error;
  } finally {
    clearTimeout(timer);
  }
}

function late(file: string, timeoutMs: number): Error {
  return new Error(`${file} has not ended within ${timeoutMs} ms`);
}
