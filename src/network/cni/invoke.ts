import { setTimeout as sleep } from 'node:timers/promises';

import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { isJsonObject } from './json-object.js';
import { MAX_STDOUT_BYTES } from './plugin-processes.js';
import type { PluginExit, PluginProcesses, PluginProgram } from './plugin-processes.js';

/** One run of one plugin (CNI section 2). */
export interface PluginRun extends PluginProgram {
  /** The plugin's name, for messages. */
  type: string;
  command: 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC';
  /** Kills the plugin and all processes of its group; the reason must be a CriError. */
  signal: AbortSignal;
}

/** A binary that is being replaced is tried again, as libcni does. */
const BUSY_RETRIES = 5;
const BUSY_RETRY_MS = 1000;
/**
 * Runs a plugin and returns its standard output. One process, no shell, in a process group of its own.
 *
 * @throws CriError UNKNOWN with the plugin's own words when it fails, the signal's code when it was aborted
 */
export async function runPlugin(run: PluginRun, processes: PluginProcesses): Promise<string> {
  for (let retries = 0; ; retries += 1) {
    try {
      const exit = await runOnce(run, processes);
      if (exit.code === 0) return exit.stdout;
      throw pluginError(run, failureText(exit));
    } catch (error) {
      if (run.signal.aborted) throw abortError(run);
      if (error instanceof CriError) throw error;
      const busy = (error as NodeJS.ErrnoException).code === 'ETXTBSY';
      if (!busy || retries === BUSY_RETRIES) throw pluginError(run, messageOf(error), error);
      await sleep(BUSY_RETRY_MS, undefined, { signal: run.signal }).catch(() => undefined);
    }
  }
}

async function runOnce(run: PluginRun, processes: PluginProcesses): Promise<PluginExit> {
  run.signal.throwIfAborted();
  const exit = await processes.run(run, run.signal);
  run.signal.throwIfAborted();
  if (exit.printedTooMuch) throw pluginError(run, `printed more than ${MAX_STDOUT_BYTES} bytes`);
  return exit;
}

function failureText({ code, stdout, stderr }: PluginExit): string {
  const told = toldError(stdout);
  if (told !== undefined) return told;
  const words = (stdout.trim() + '\n' + stderr.trim()).trim().slice(-2048);
  const end = code === null ? 'was killed by a signal' : `exited with ${code}`;
  return words === '' ? `${end} without a word` : `${end}: ${words}`;
}

/** The error object of CNI section 5, as text. */
function toldError(stdout: string): string | undefined {
  try {
    const error: unknown = JSON.parse(stdout);
    if (!isJsonObject(error) || typeof error['msg'] !== 'string') return undefined;
    const details =
      typeof error['details'] === 'string' && error['details'] !== '' ? `; ${error['details']}` : '';
    const code = typeof error['code'] === 'number' ? ` (CNI code ${error['code']})` : '';
    return `${error['msg']}${details}${code}`;
  } catch {
    return undefined;
  }
}

function pluginError(run: PluginRun, problem: string, cause?: unknown): CriError {
  return new CriError(Code.UNKNOWN, `CNI plugin ${run.type}, ${run.command}: ${problem}`, { cause });
}

function abortError(run: PluginRun): CriError {
  const reason: unknown = run.signal.reason;
  const code = reason instanceof CriError ? reason.code : Code.CANCELLED;
  return new CriError(code, `CNI plugin ${run.type}, ${run.command}: ${messageOf(reason)}`, {
    cause: reason,
  });
}
