import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { execEnd, killExec, startFailure } from '../cri/container/exec-end.js';
import { startExec } from '../cri/container/exec-start.js';
import { runningContainerOrThrow } from '../cri/lookup.js';
import type { StreamRequest } from '../util/stream-request.js';
import type { FrozenContainers } from '../checkpoint/frozen-containers.js';
import type { Engine } from '../docker/engine.js';
import type { NetnsDialers } from '../network/netns-dialer.js';
import type { ContainerRecord } from '../state/records.js';
import type { Mirror } from '../state/mirror.js';
import { Code, CriError, hasCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { carry } from './carry.js';
import { HeldFailure } from './held-failure.js';
import type { Outcome } from './outcome.js';
import type { RemoteStreams } from './remote-streams.js';
import { Resizes } from './resizes.js';

/** Clients with a terminal tell its size at once. */
const FIRST_SIZE_WAIT_MS = 100;

/** How long the Engine may take to record an exit, and how often it is asked. */
const EXIT_WAIT_MS = 10_000;
const EXIT_PAUSE_MS = 50;

/** What becomes of a command when its client is gone: ended always, ended if it has a terminal, or left running. */
export type OrphanPolicy = 'kill' | 'kill-tty' | 'leave';

export interface SessionDeps {
  readonly engine: Engine;
  readonly mirror: Mirror;
  readonly frozen: FrozenContainers;
  readonly log: Logger;
  readonly execOrphan: OrphanPolicy;
  readonly dialers: NetnsDialers;
}

type ExecRequest = StreamRequest & { kind: 'exec' };
type AttachRequest = StreamRequest & { kind: 'attach' };

/**
 * Runs a command with the client's streams. Throws when it cannot be started, or when the client or the Engine goes. A command
 * that is left then is being ended: `outlasting` gets that work, which never rejects, so that no client waits for its outcome
 * until then.
 */
export async function runExec(
  deps: SessionDeps,
  request: ExecRequest,
  streams: RemoteStreams,
  outlasting: Promise<void>[],
): Promise<Outcome> {
  const { engine } = deps;
  const { tty, stdin, stdout, stderr } = request;
  const container = runningContainerOrThrow(await deps.mirror.current(streams.cut), request.containerId);
  const resizes = new Resizes(streams);
  const size = tty ? await resizes.first(FIRST_SIZE_WAIT_MS) : undefined;
  streams.cut.throwIfAborted();
  const execId = await engine.createExec(container.id, {
    Cmd: [...request.cmd],
    AttachStdin: stdin,
    AttachStdout: stdout,
    AttachStderr: stderr,
    Tty: tty,
    DetachKeys: unlikelyKeys(),
    ...(size === undefined ? {} : { ConsoleSize: [size.height, size.width] }),
  });
  await deps.frozen.gone(container.id, streams.cut);
  const connection = await startExec(engine, execId, tty, streams.cut).catch((error: unknown) => {
    // The Engine may yet take the start up that was given up.
    if (streams.cut.aborted) outlasting.push(endOrphan(deps, container, execId, tty));
    throw error;
  });
  resizes.start((newSize) => engine.resizeExec(execId, newSize));
  const held = new HeldFailure(tty);
  let ending = Promise.resolve();
  try {
    await carry(connection, tty, streams, (stream, piece, passOn) => held.offer(stream, piece, passOn));
    const { exitCode, started } = await execEnd(engine, execId, streams.cut);
    const text = held.settle(started);
    if (!started) throw startFailure(text);
    return { kind: 'exited', exitCode };
  } catch (error) {
    if (streams.cut.aborted) ending = endOrphan(deps, container, execId, tty);
    throw error;
  } finally {
    outlasting.push(ending.finally(() => connection.destroy()));
    resizes.stop();
    held.drop();
  }
}

/** Joins the streams of a container's first process, until it ends. Throws as `runExec`. */
export async function runAttach(
  { engine, mirror }: SessionDeps,
  request: AttachRequest,
  streams: RemoteStreams,
): Promise<Outcome> {
  const container = runningContainerOrThrow(await mirror.current(streams.cut), request.containerId);
  // What the Engine sends depends on the container's terminal, whatever the client has.
  const tty = container.inspect.Config.Tty ?? false;
  const { stdin, stdout, stderr } = request;
  const wanted = { stdin, stdout, stderr, detachKeys: unlikelyKeys() };
  const connection = await engine.attachContainer(container.id, wanted, { signal: streams.cut });
  const resizes = new Resizes(streams);
  resizes.start((size) => engine.resizeContainer(container.id, size));
  try {
    await carry(connection, tty, streams);
    if (stdout || stderr) await attachedEnd(engine, container.id, streams.cut);
    return { kind: 'exited', exitCode: 0 };
  } finally {
    connection.destroy();
    resizes.stop();
  }
}

/**
 * Output that ends while the container runs on was cut off by the Engine, as when it stops. Throws UNAVAILABLE then, or what
 * the Engine fails with. It records an exit a little after the output's end.
 */
async function attachedEnd(engine: Engine, containerId: string, signal: AbortSignal): Promise<void> {
  const giveUpMs = performance.now() + EXIT_WAIT_MS;
  try {
    while ((await engine.inspectContainer(containerId, { signal })).State.Running) {
      if (performance.now() > giveUpMs) {
        throw new CriError(Code.UNAVAILABLE, 'the Engine ended the output, though the container runs on');
      }
      await unlessAborted(delay(EXIT_PAUSE_MS), signal);
    }
  } catch (error) {
    if (!hasCode(error, Code.NOT_FOUND)) throw error; // removed: it has ended
  }
}

/**
 * While the connection to the Engine is open: one that writes to a closed connection the Engine takes for ended, with
 * exit code 126, though it runs on.
 */
async function endOrphan(
  { engine, log, execOrphan }: SessionDeps,
  container: ContainerRecord,
  execId: string,
  tty: boolean,
): Promise<void> {
  if (execOrphan === 'leave' || (execOrphan === 'kill-tty' && !tty)) return;
  await killExec(engine, log, { execId, containerPid: container.pid, hangUp: true });
}

/**
 * Keys for the Engine to watch for on a terminal, in place of its default ctrl-p ctrl-q, which programs need. They cannot
 * be none: so a control key that is hardly used, and letters that nobody guesses.
 */
function unlikelyKeys(): string {
  const letters = Array.from({ length: 20 }, () => String.fromCharCode(97 + randomInt(26)));
  return ['ctrl-^', ...letters].join(',');
}
