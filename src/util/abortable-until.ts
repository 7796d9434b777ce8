/** What somebody may give up until it comes to its last step. */
export interface AbortableUntil {
  /** Aborts as that of the caller does, unless `close` was called before. */
  readonly signal: AbortSignal;
  /** To be called before the last step, which is not given up any more. Throws the signal's reason where it has aborted. */
  readonly close: () => void;
}

/** Makes such a signal of a caller's. It has to be closed or aborted, or stays with the caller's. */
export function abortableUntil(caller: AbortSignal): AbortableUntil {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(caller.reason);
  if (caller.aborted) onAbort();
  else caller.addEventListener('abort', onAbort, { once: true });
  const close = (): void => {
    controller.signal.throwIfAborted();
    caller.removeEventListener('abort', onAbort);
  };
  return { signal: controller.signal, close };
}
