import { Code, CriError, invalidArgument } from '../util/cri-error.js';
import { parseJson } from './body.js';
import type { PullOptions } from './engine.js';
import { abortError, responseError } from './errors.js';
import { pullError } from './pull-errors.js';
import { PullProgress } from './pull-progress.js';
import type { PullMessage } from './pull-progress.js';
import type { Session } from './session.js';
import type { RegistryAuth } from './types.js';

/** How often `onProgress` is called at most. */
const PROGRESS_INTERVAL_MS = 5_000;
/**
 * An unpacking that tells nothing gets so many progress deadlines, and never less than an hour: with the containerd image store all
 * of a layer is silent, and 50 GB take an hour at 15 MB/s. Docker has hung there for good, and the kubelet waits with all pulls.
 */
const UNPACK_DEADLINES = 10;
const LEAST_UNPACK_DEADLINE_MS = 3_600_000;
/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `Engine.pullImage`, whose course `progress` is told. Closing the request, as an abort or the progress deadline does, ends the Engine's pull. */
export async function pullImage(
  session: Pick<Session, 'lines'>,
  reference: string,
  options: PullOptions,
  progress = new PullProgress(),
): Promise<void> {
  if (!/@|:[^/]+$/.test(reference))
    throw invalidArgument('image', `"${reference}" has neither tag nor digest`);
  const guard = guardProgress(reference, options, progress);
  const report = reporter(options.onProgress);
  const onLine = (line: string) => {
    const message = parseJson(line, 'POST /images/create') as PullMessage;
    const failure = message.errorDetail?.message ?? message.error;
    if (failure !== undefined) throw responseError(message.errorDetail?.code ?? 500, failure);
    if (progress.accept(message)) guard.alive();
    report(progress);
  };
  const request = {
    method: 'POST',
    path: '/images/create',
    query: { fromImage: reference },
    headers: options.auth === undefined ? {} : { 'X-Registry-Auth': encodeAuth(options.auth) },
    signal: guard.signal,
    long: true,
  } as const;
  try {
    await session.lines(request, () => undefined, onLine);
  } catch (error) {
    throw error instanceof CriError ? pullError(error) : error;
  } finally {
    guard.end();
  }
}

/** A signal that aborts with the caller's, and with DEADLINE_EXCEEDED when `alive` is not called for too long. */
function guardProgress(reference: string, options: PullOptions, progress: PullProgress) {
  const { signal, progressDeadlineMs } = options;
  const controller = new AbortController();
  const onAbort = () => controller.abort(abortError(signal?.reason));
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort);
  const unpackDeadlineMs = Math.max(UNPACK_DEADLINES * progressDeadlineMs, LEAST_UNPACK_DEADLINE_MS);
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number, onEnd: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(onEnd, Math.min(ms, MAX_TIMER_MS));
  };
  const giveUp = (silence: string) => {
    const text = `pull of ${reference}: no progress for ${silence} (${progress.toString()})`;
    controller.abort(new CriError(Code.DEADLINE_EXCEEDED, text));
  };
  const onUnpackSilence = () => giveUp(`${unpackDeadlineMs / 1000}s of unpacking`);
  const onSilence = () => {
    if (progress.isUnpacking) wait(unpackDeadlineMs - progressDeadlineMs, onUnpackSilence);
    else giveUp(`${progressDeadlineMs / 1000}s`);
  };
  const alive = () => wait(progressDeadlineMs, onSilence);
  alive();
  return {
    signal: controller.signal,
    alive,
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

function reporter(onProgress: PullOptions['onProgress']): (progress: PullProgress) => void {
  let lastMs = performance.now();
  return (progress) => {
    const nowMs = performance.now();
    if (onProgress === undefined || nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
    lastMs = nowMs;
    onProgress(progress.toString());
  };
}

/** Base64 in the URL alphabet **with** padding: the Engine silently ignores the header without it. */
function encodeAuth(auth: RegistryAuth): string {
  return Buffer.from(JSON.stringify(auth)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
