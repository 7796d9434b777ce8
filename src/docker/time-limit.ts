/** What a timer of Node can hold. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Does `work` with a signal that aborts as the caller's does, and with a TimeoutError when it takes longer than `timeoutMs`. Unlike
 * AbortSignal.timeout and AbortSignal.any it leaves nothing behind: neither a timer, which would stay until it fires, nor
 * what the caller's signal has to look after.
 */
export async function withTimeLimit<T>(
  timeoutMs: number,
  callerSignal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(callerSignal?.reason);
  const onTimeout = (): void => controller.abort(new DOMException('the time is over', 'TimeoutError'));
  if (callerSignal?.aborted === true) onAbort();
  callerSignal?.addEventListener('abort', onAbort);
  const timer = setTimeout(onTimeout, Math.min(timeoutMs, LONGEST_TIMEOUT_MS));
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    callerSignal?.removeEventListener('abort', onAbort);
  }
}
