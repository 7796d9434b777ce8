import { Code, CriError, messageOf } from '../../util/cri-error.js';

/** How long an operation may take. */
export interface Limits {
  timeoutMs: number;
  /** The caller's own wish to give up. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with a signal that aborts when the caller gives up or the time is over. The signal's reason is a
 * CriError: CANCELLED or DEADLINE_EXCEEDED (or the CriError that the caller aborted with). It is up to `work` to
 * end then: its outcome is waited for.
 */
export async function withinLimits<T>(
  limits: Limits,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal } = limits;
  const controller = new AbortController();
  const giveUp = (): void => {
    controller.abort(abortError(what, signal?.reason));
  };
  const timer = setTimeout(() => {
    const text = `${what} did not finish within ${timeoutMs / 1000} s`;
    controller.abort(new CriError(Code.DEADLINE_EXCEEDED, text));
  }, timeoutMs);
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted === true) giveUp();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** The CriError for the reason that an AbortSignal gives. */
function abortError(what: string, reason: unknown): CriError {
  if (reason instanceof CriError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  const code = timedOut ? Code.DEADLINE_EXCEEDED : Code.CANCELLED;
  return new CriError(code, `${what} was given up: ${messageOf(reason)}`, { cause: reason });
}
