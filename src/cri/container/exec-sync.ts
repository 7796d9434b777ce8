import type { Duplex } from 'node:stream';
import { Demultiplexer } from '../../docker/demux.js';
import type { ExecSyncRequest__Output } from '../../gen/runtime/v1/ExecSyncRequest.js';
import type { ExecSyncResponse } from '../../gen/runtime/v1/ExecSyncResponse.js';
import { requireInteger } from '../../convert/text/validate.js';
import type { ContainerRecord } from '../../state/records.js';
import { afterAnswers } from '../../util/after-answers.js';
import { ByteBudget } from '../../util/byte-budget.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, hasCode, messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { unlessAborted } from '../../util/unless-aborted.js';
import { CappedBytes, fitted } from './capped-bytes.js';
import type { CriDeps } from '../deps.js';
import { execEnd, isRefusedAsPaused, killExec, startFailure } from './exec-end.js';
import { startExec } from './exec-start.js';
import { requireCommand, runningContainerOrThrow } from '../lookup.js';
import { withinOwnTimeout } from './own-timeout.js';

/** What it takes to run a command in a container. */
export type ExecSyncDeps = Pick<CriDeps, 'engine' | 'execOutput' | 'frozen' | 'log' | 'mirror'>;

/**
 * CRI: what a command writes beyond 16 MiB is discarded, while the command runs on. The kubelet's client and crictl take no
 * message that is longer, so this is for both streams together, the reply's other members (21 bytes at most) included.
 */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024 - 64;
/** What is kept of all commands that run at a time: any number may. */
const MAX_OUTPUT_TOGETHER_BYTES = 256 * 1024 * 1024;
/** How long the reply waits for a command to be ended; beyond that it is ended all the same. */
const KILL_WAIT_MS = 5_000;

interface Output {
  readonly stdout: CappedBytes;
  readonly stderr: CappedBytes;
}

/** The budget that the outputs of all commands share. Beyond it output is discarded as beyond 16 MiB. */
export function execOutputBudget(log: Logger): ByteBudget {
  return new ByteBudget(MAX_OUTPUT_TOGETHER_BYTES, () =>
    log.warn('output of commands is discarded: those that run now have written too much together', {
      keptBytes: MAX_OUTPUT_TOGETHER_BYTES,
    }),
  );
}

/**
 * Runs a command to its end and answers its output and exit code (CRI: ExecSync): three calls to the Engine. After
 * `timeout` seconds, or when the caller gives up, the command is killed with all its processes; the timeout
 * answers DEADLINE_EXCEEDED, by which the kubelet knows it. UNKNOWN with the reason when it cannot be started.
 */
export async function execSync(
  deps: ExecSyncDeps,
  request: ExecSyncRequest__Output,
  ctx: CallContext,
): Promise<ExecSyncResponse> {
  const Cmd = requireCommand(request.cmd);
  const seconds = requireInteger('timeout', request.timeout, 0, Number.MAX_SAFE_INTEGER);
  return withinOwnTimeout(seconds, 'the command ran longer', ctx.signal, async (signal) => {
    const container = runningContainerOrThrow(await deps.mirror.current(signal), request.container_id);
    return runUnfrozen(deps, container, Cmd, signal);
  });
}

/**
 * Docker refuses a command while the container stands still for a checkpoint. Those are waited for; a command that came
 * just before one and was refused has not run, and is started once more.
 */
async function runUnfrozen(
  deps: Omit<ExecSyncDeps, 'mirror'>,
  { id, pid }: ContainerRecord,
  Cmd: string[],
  signal: AbortSignal,
): Promise<ExecSyncResponse> {
  const streams = { AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false };
  for (;;) {
    await deps.frozen.gone(id, signal);
    const times = deps.frozen.timesOf(id);
    const execId = await deps.engine.createExec(id, { Cmd, ...streams }, { signal });
    try {
      return await run(deps, execId, pid, signal);
    } catch (error) {
      if (deps.frozen.timesOf(id) === times || !isRefusedAsPaused(error)) throw error;
    }
  }
}

async function run(
  deps: Pick<CriDeps, 'engine' | 'execOutput' | 'log'>,
  execId: string,
  containerPid: number,
  signal: AbortSignal,
): Promise<ExecSyncResponse> {
  const output = {
    stdout: new CappedBytes(MAX_OUTPUT_BYTES, deps.execOutput),
    stderr: new CappedBytes(MAX_OUTPUT_BYTES, deps.execOutput),
  };
  const starting = startExec(deps.engine, execId, false, signal);
  try {
    await unlessAborted(
      starting.then((connection) => readOutput(connection, output)),
      signal,
    );
    const { exitCode, started } = await execEnd(deps.engine, execId, signal);
    if (!started) throw startFailure(output.stdout.bytes.toString());
    const [stdout, stderr] = fitted(output.stdout.bytes, output.stderr.bytes, MAX_OUTPUT_BYTES);
    afterAnswers(() => drop(output));
    return { stdout, stderr, exit_code: exitCode };
  } catch (error) {
    drop(output);
    if (signal.aborted) await abandon(deps, execId, containerPid, starting);
    throw error;
  }
}

async function readOutput(connection: Duplex, output: Output): Promise<void> {
  const demux = new Demultiplexer((stream, piece) => output[stream].push(piece));
  try {
    for await (const chunk of connection as AsyncIterable<Buffer>) demux.push(chunk);
  } catch (error) {
    const message = `the command's output broke off: ${messageOf(error)}`;
    throw new CriError(Code.UNAVAILABLE, message, { cause: error });
  }
}

function drop({ stdout, stderr }: Output): void {
  stdout.drop();
  stderr.drop();
}

/**
 * Ends the command, then the connection to it: the Engine takes a command that writes to a closed one for ended, though
 * it runs on. Returns when that is done, or takes long.
 */
async function abandon(
  deps: Pick<CriDeps, 'engine' | 'log'>,
  execId: string,
  containerPid: number,
  starting: Promise<Duplex>,
): Promise<void> {
  const kill = (): Promise<void> => killExec(deps.engine, deps.log, { execId, containerPid, hangUp: false });
  const ended = starting.then(
    async (connection) => {
      await kill();
      connection.destroy();
    },
    // Otherwise it never ran, as far as the Engine tells.
    async (error: unknown) => (hasCode(error, Code.DEADLINE_EXCEEDED) ? kill() : undefined),
  );
  await unlessAborted(ended, AbortSignal.timeout(KILL_WAIT_MS)).catch(() => undefined);
}
