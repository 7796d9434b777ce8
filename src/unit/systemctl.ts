import { runProgram } from '../util/run-program.js';

/** A start waits for the old server's calls and for the new one's readiness. */
const TIMEOUT_MS = 120_000;

/** Runs systemctl and answers what it prints. Rejects with what it says when it fails, or is not there. */
export type Systemctl = (...args: string[]) => Promise<string>;

/** The one of this machine. */
export const systemctl: Systemctl = async (...args) => {
  const { stdout } = await runProgram('systemctl', args, { timeoutMs: TIMEOUT_MS });
  return stdout;
};
