import { Code, CriError } from '../../util/cri-error.js';

/** Node's timers hold no more; longer timeouts are none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Does `work` with a signal that also aborts when the `timeout` of a request is over, with DEADLINE_EXCEEDED that says so.
 *
 * @param seconds 0 for no timeout
 * @param tookLonger what it did, such as "the command ran longer"
 */
export async function withinOwnTimeout<T>(
  seconds: number,
  tookLonger: string,
  callSignal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const tooLong = new AbortController();
  const onTimeout = (): void => {
    const message = `${tookLonger} than its timeout of ${seconds}s`;
    tooLong.abort(new CriError(Code.DEADLINE_EXCEEDED, message));
  };
  const timer =
    seconds > 0 && seconds * 1000 <= MAX_TIMER_MS ? setTimeout(onTimeout, seconds * 1000) : undefined;
  try {
    return await work(AbortSignal.any([callSignal, tooLong.signal]));
  } finally {
    clearTimeout(timer);
  }
}
