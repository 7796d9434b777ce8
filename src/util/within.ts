import { setTimeout as delay } from 'node:timers/promises';

/** Waits for `work`, but no longer than `timeoutMs`: true when it is done. Rejects when it does before that. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const timeout = delay(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  const isDone = await Promise.race([work.then(() => true), timeout]);
  timer.abort();
  return isDone;
}
