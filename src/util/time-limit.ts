/** What a timer of Node can hold. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** What `withTimeLimit` aborts with. */
export interface AbortReasons {
  /** For the reason of the caller's signal that has aborted. */
  readonly ofCaller: (reason: unknown) => unknown;
  readonly ofTimeout: () => unknown;
}

const AS_NODE: AbortReasons = {
  ofCaller: (reason) => reason,
  ofTimeout: () => new DOMException('the time is over', 'TimeoutError'),
};

/**
 * Does `work` with a signal that aborts as soon as one of the callers' does, with that one's reason, and with a TimeoutError when it takes
 * longer than `timeoutMs`; or with what `reasons` make of it. It is up to `work` to end then: its outcome is waited for. Unlike
 * AbortSignal.timeout and AbortSignal.any it leaves nothing behind: neither a timer, which would stay until it fires, nor what the
 * callers' signals have to look after.
 */
export async function withTimeLimit<T>(
  timeoutMs: number,
  callers: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
  { ofCaller, ofTimeout }: AbortReasons = AS_NODE,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(ofCaller(callers.find((signal) => signal?.aborted)?.reason));
  const timer = setTimeout(() => controller.abort(ofTimeout()), Math.min(timeoutMs, LONGEST_TIMEOUT_MS));
  for (const signal of callers) signal?.addEventListener('abort', onAbort, { once: true });
  if (callers.some((signal) => signal?.aborted)) onAbort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of callers) signal?.removeEventListener('abort', onAbort);
  }
}
