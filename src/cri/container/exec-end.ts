import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '../../docker/engine.js';
import { Code, CriError, hasCode, messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { readProcess, sameMountNamespace, signalTree, treeIsAlive } from '../../util/process-tree.js';
import type { ProcessFacts } from '../../util/process-tree.js';
import { unlessAborted } from '../../util/unless-aborted.js';

/**
 * The Engine records an exit a little after the output's end, so the first looks follow soon on one another: each pause is twice
 * the one before, up to this.
 */
const FIRST_PAUSE_MS = 2;
const LONG_PAUSE_MS = 250;
/** A command may also close its output and run on for ever: it is looked for so much of its time later, and at the longest so late. */
const LATENESS = 1 / 8;
const LONGEST_PAUSE_MS = 2_000;
/** Bound on asking the Engine for the process of an exec that is to be ended. */
const FIND_TIMEOUT_MS = 10_000;
/** What a terminal's programs get between the hang-up and SIGKILL. */
const HANG_UP_GRACE_MS = 2_000;

/** What Docker has for the code of a command that could not be started. Podman tells no pid of any that has ended. */
const NOT_STARTED: ReadonlySet<number> = new Set([126, 127, 128]);

/** How an exec ended. */
export interface ExecEnd {
  exitCode: number;
  /** False when the command could not be started: then what came as its output is the reason. */
  started: boolean;
}

/**
 * Waits for the exit of an exec whose output has ended: one call to the Engine, as a rule.
 *
 * @param pause waits between two calls, for so many milliseconds
 */
export async function execEnd(
  engine: Engine,
  execId: string,
  signal?: AbortSignal,
  pause: (ms: number) => Promise<unknown> = delay,
): Promise<ExecEnd> {
  let pausedMs = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ;) {
    const exec = await engine.inspectExec(execId, { signal });
    if (!exec.Running && exec.ExitCode !== null) {
      return { exitCode: exec.ExitCode, started: exec.Pid !== 0 || !NOT_STARTED.has(exec.ExitCode) };
    }
    await unlessAborted(pause(pauseMs), signal);
    pausedMs += pauseMs;
    const most = Math.max(LONG_PAUSE_MS, Math.min(pausedMs * LATENESS, LONGEST_PAUSE_MS));
    pauseMs = Math.min(2 * pauseMs, most);
  }
}

/** The error for a command that could not be started; `output` is what the Engine said in place of its output. */
export function startFailure(output: string): CriError {
  return new CriError(Code.UNKNOWN, `cmd: cannot be started: ${output.trim()}`);
}

/** True for a start failure because the container stood still; runc's words and crun's. */
export function isRefusedAsPaused(error: unknown): boolean {
  return hasCode(error, Code.UNKNOWN) && /paused container|container is paused/.test(error.message);
}

export interface ExecToEnd {
  execId: string;
  /** Host pid of the container's first process. */
  containerPid: number;
  /** SIGHUP first, as when a terminal is closed, and SIGKILL to what is left a little later. */
  hangUp: boolean;
}

/**
 * Ends the process of an exec with all that came from it, by host pid: the Engine has no call for it. Never throws: what
 * cannot be ended is logged. A command that has ended already is left alone, with what it left in the background.
 */
export async function killExec(engine: Engine, log: Logger, exec: ExecToEnd): Promise<void> {
  const { execId, containerPid, hangUp } = exec;
  try {
    const leader = await findLeader(engine, execId);
    if (leader === undefined) return;
    if (!sameMountNamespace(leader.pid, containerPid)) {
      if (readProcess(leader.pid)?.startTicks !== leader.startTicks) return; // gone since
      log.warn('a command is left running: its process is not found on this host', { execId });
      return;
    }
    if (hangUp) await hangUpTree(leader);
    const killed = await signalTree(leader, 'SIGKILL');
    log.debug('ended a command', { execId, pid: leader.pid, killed });
  } catch (error) {
    log.warn('a command may be left running', { execId, error: messageOf(error) });
  }
}

async function hangUpTree(leader: ProcessFacts): Promise<void> {
  await signalTree(leader, 'SIGHUP');
  const endMs = performance.now() + HANG_UP_GRACE_MS;
  while (performance.now() < endMs && (await treeIsAlive(leader))) await delay(20);
}

/** The exec's process; undefined when it has ended. One that is being started has no pid yet: waits for it. */
async function findLeader(engine: Engine, execId: string): Promise<ProcessFacts | undefined> {
  const signal = AbortSignal.timeout(FIND_TIMEOUT_MS);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONG_PAUSE_MS)) {
    const { Running: running, ExitCode: exitCode, Pid: pid } = await engine.inspectExec(execId, { signal });
    if (running && pid !== 0) return readProcess(pid);
    if (!running && exitCode !== null) return undefined;
    await unlessAborted(delay(pauseMs), signal);
  }
}
