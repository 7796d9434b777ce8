import { unlessAborted } from './unless-aborted.js';

interface SharedCall<T> {
  promise: Promise<T>;
  controller: AbortController;
  /** Callers that still wait for the result. */
  waiting: number;
}

/**
 * One run of an operation for all who ask for it at the same time: a retry joins the call in flight instead of
 * starting a second one. When the last caller has gone, the run's signal aborts; who asks after that waits for
 * the run to clean up and starts a new one.
 */
export class SharedCalls<T> {
  readonly #calls = new Map<string, SharedCall<T>>();

  /** Joins the call under `key` or starts it. Throws the signal's reason when this caller gives up. */
  async join(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const running = this.#calls.get(key);
      if (running?.controller.signal.aborted === true) {
        await unlessAborted(settled(running.promise), signal);
        continue;
      }
      const call = running ?? this.#start(key, start);
      return this.#wait(call, signal);
    }
  }

  #start(key: string, start: (signal: AbortSignal) => Promise<T>): SharedCall<T> {
    const controller = new AbortController();
    const promise = start(controller.signal).finally(() => {
      this.#calls.delete(key);
    });
    promise.catch(() => undefined); // each caller sees the failure; with none left it is the run's own affair
    const call = { promise, controller, waiting: 0 };
    this.#calls.set(key, call);
    return call;
  }

  async #wait(call: SharedCall<T>, signal: AbortSignal | undefined): Promise<T> {
    call.waiting += 1;
    try {
      return await unlessAborted(call.promise, signal);
    } finally {
      call.waiting -= 1;
      if (call.waiting === 0) call.controller.abort(signal?.reason);
    }
  }
}

async function settled(promise: Promise<unknown>): Promise<void> {
  await promise.then(
    () => undefined,
    () => undefined,
  );
}
