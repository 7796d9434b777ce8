import type { Engine } from '../../src/docker/engine.js';
import { deferred } from '../../src/util/deferred.js';

/** The start of an exec on an Engine that does not answer it. */
export interface HangingStart {
  readonly startExec: Engine['startExec'];
  /** Resolves when it was asked for. */
  readonly begun: Promise<void>;
  isGivenUp(): boolean;
}

export function hangingStart(): HangingStart {
  const { promise: begun, resolve: begin } = deferred();
  let given: AbortSignal | undefined;
  return {
    startExec: (_execId, _tty, { signal } = {}) => {
      given = signal;
      begin();
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    },
    begun,
    isGivenUp: () => given?.aborted === true,
  };
}
