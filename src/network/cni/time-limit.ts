import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { withTimeLimit } from '../../util/time-limit.js';

/** How long an operation may take. */
export interface Limits {
  timeoutMs: number;
  /** Whoever may give up: the caller, or cridock itself when it stops. */
  signals?: readonly (AbortSignal | undefined)[];
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
  const { timeoutMs, signals = [] } = limits;
  return withTimeLimit(timeoutMs, signals, work, {
    ofCaller: (reason) => abortError(what, reason),
    ofTimeout: () => {
      const text = `${what} did not finish within ${timeoutMs / 1000} s`;
      return new CriError(Code.DEADLINE_EXCEEDED, text);
    },
  });
}

/** The CriError for the reason that an AbortSignal gives. */
function abortError(what: string, reason: unknown): CriError {
  if (reason instanceof CriError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  const code = timedOut ? Code.DEADLINE_EXCEEDED : Code.CANCELLED;
  return new CriError(code, `${what} was given up: ${messageOf(reason)}`, { cause: reason });
}
