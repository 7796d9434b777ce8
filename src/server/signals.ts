import type { Logger } from '../util/log.js';

export interface SignalActions {
  /** Stops the service; called once. */
  readonly stop: () => Promise<void>;
  /** Reads the configuration again; never called while it still runs. */
  readonly reload: () => Promise<void>;
}

/** As a shell reports a process that SIGTERM or SIGINT ended. */
const EXIT_CODES = { SIGTERM: 143, SIGINT: 130 };

/**
 * SIGTERM and SIGINT stop the service, and a second one ends the process at once; SIGHUP reloads, and never
 * kills. SIGUSR1, with which Node would open its debugger to whoever reaches a port of loopback, does nothing.
 * Returns a function that takes the handlers away again.
 */
export function onSignals(
  { stop, reload }: SignalActions,
  log: Logger,
  exit: (code: number) => void = (code) => process.exit(code),
): () => void {
  let stopping = false;
  let reloads: Promise<void> = Promise.resolve();

  const onStop = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stopping) {
      log.warn('second signal, leaving at once', { signal });
      exit(EXIT_CODES[signal]);
      return;
    }
    stopping = true;
    log.info('stopping', { signal });
    stop().catch((error: unknown) => log.error('cannot stop cleanly', { error }));
  };
  const onReload = (): void => {
    if (stopping) return;
    reloads = reloads.then(reload).catch((error: unknown) => log.error('cannot reload', { error }));
  };
  const onDebug = (): void => log.warn('SIGUSR1 is ignored: no debugger is opened');

  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  process.on('SIGHUP', onReload);
  process.on('SIGUSR1', onDebug);
  return () => {
    process.off('SIGTERM', onStop);
    process.off('SIGINT', onStop);
    process.off('SIGHUP', onReload);
    process.off('SIGUSR1', onDebug);
  };
}
