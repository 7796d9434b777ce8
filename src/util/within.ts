import { setTimeout as delay } from 'node:timers/promises';

/** Waits for `work`, but no longer than `timeoutMs`; rejects when it does before that. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const timeout = delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([work, timeout]);
  timer.abort();
}
