import { CriError } from './cri-error.js';
import { unlessAborted } from './unless-aborted.js';

/** Says what a call is doing from now on, as in "attaching the network". */
export type Progress = (step: string) => void;

interface SharedCall<T> {
  promise: Promise<T>;
  controller: AbortController;
  /** What it is doing; '' when it does not say. */
  readonly step: string;
  /** Callers that still wait for the result. */
  waiting: number;
}

/**
 * One run of an operation for all who ask for it at the same time: a retry joins the call in flight instead of
 * starting a second one. When the last caller has gone, the run's signal aborts; who asks after that waits for
 * the run to clean up and starts a new one. Who gives up is told the step that the run was at.
 */
export class SharedCalls<T> {
  readonly #calls = new Map<string, SharedCall<T>>();

  /** How many run. */
  get size(): number {
    return this.#calls.size;
  }

  /** Joins the call under `key` or starts it. Throws the signal's reason when this caller gives up. */
  async join(
    key: string,
    start: (signal: AbortSignal, progress: Progress) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
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

  #start(key: string, start: (signal: AbortSignal, progress: Progress) => Promise<T>): SharedCall<T> {
    const controller = new AbortController();
    let step = '';
    const promise = start(controller.signal, (now) => (step = now)).finally(() => {
      this.#calls.delete(key);
    });
    promise.catch(() => undefined); // each caller sees the failure; with none left it is the run's own affair
    const call = {
      promise,
      controller,
      get step() {
        return step;
      },
      waiting: 0,
    };
    this.#calls.set(key, call);
    return call;
  }

  async #wait(call: SharedCall<T>, signal: AbortSignal | undefined): Promise<T> {
    call.waiting += 1;
    try {
      return await unlessAborted(call.promise, signal);
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) throw atStep(error, call.step);
      throw error;
    } finally {
      call.waiting -= 1;
      if (call.waiting === 0) call.controller.abort(signal?.reason);
    }
  }
}

/** Why a caller gave up, with the step that it did not want to wait for any longer. */
function atStep(reason: unknown, step: string): unknown {
  if (!(reason instanceof CriError) || step === '') return reason;
  return new CriError(reason.code, `${reason.message} while ${step}`, { cause: reason });
}

async function settled(promise: Promise<unknown>): Promise<void> {
  await promise.then(
    () => undefined,
    () => undefined,
  );
}
