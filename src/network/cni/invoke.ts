import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { started } from '../../util/started.js';
import { isJsonObject } from './json-object.js';

/** One run of one plugin (CNI section 2). */
export interface PluginRun {
  /** The plugin's name, for messages. */
  type: string;
  /** The binary. */
  path: string;
  command: 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC';
  /** The whole environment of the plugin. */
  env: Record<string, string>;
  /** The plugin's configuration, as JSON. */
  input: string;
  /** Kills the plugin and all processes of its group; the reason must be a CriError. */
  signal: AbortSignal;
}

interface Exit {
  code: number | null;
  stdout: string;
  stderr: string;
}

type PluginProcess = ChildProcessByStdio<Writable, Readable, Readable>;

const MAX_STDOUT_BYTES = 1 << 20;
const MAX_STDERR_BYTES = 64 << 10;
/** A binary that is being replaced is tried again, as libcni does. */
const BUSY_RETRIES = 5;
const BUSY_RETRY_MS = 1000;
/** How long a killed plugin is waited for; longer only when the kernel holds it. */
const REAP_MS = 2000;

/**
 * Runs a plugin and returns its standard output. One process, no shell, in a process group of its own.
 *
 * @throws CriError UNKNOWN with the plugin's own words when it fails, the signal's code when it was aborted
 */
export async function runPlugin(run: PluginRun): Promise<string> {
  for (let retries = 0; ; retries += 1) {
    try {
      const exit = await runOnce(run);
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

async function runOnce(run: PluginRun): Promise<Exit> {
  run.signal.throwIfAborted();
  const child: PluginProcess = await started(
    spawn(run.path, [], { env: run.env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] }),
  );
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > MAX_STDOUT_BYTES) killGroup(child);
    else stdout.push(chunk);
  });
  let stderr = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-MAX_STDERR_BYTES);
  });
  child.stdin.on('error', () => undefined); // a plugin may end without reading its input
  child.stdin.end(run.input);
  const code = await exitCodeOf(child, run.signal);
  run.signal.throwIfAborted();
  if (stdoutBytes > MAX_STDOUT_BYTES) throw pluginError(run, `printed more than ${MAX_STDOUT_BYTES} bytes`);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: stderr.toString() };
}

/** Waits until the plugin has ended and closed its output; after an abort, until it is dead. */
async function exitCodeOf(child: PluginProcess, signal: AbortSignal): Promise<number | null> {
  let reaping: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  try {
    return await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
      onAbort = () => {
        killGroup(child);
        reaping = setTimeout(resolve, REAP_MS, null);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  } finally {
    clearTimeout(reaping);
    signal.removeEventListener('abort', onAbort);
  }
}

function killGroup(child: PluginProcess): void {
  // A process that left the group could hold the pipes open: do not wait for it.
  child.stdout.destroy();
  child.stderr.destroy();
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

function failureText({ code, stdout, stderr }: Exit): string {
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
