import { CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';

/** As `sysexits.h` has it for an error of the program's own. */
export const EXIT_SOFTWARE = 70;
/** A drain that does not come to its end, as it may when state is broken, ends here. */
const DRAIN_TIMEOUT_MS = 60_000;

/** System calls on one connection: what they fail with says nothing of anything else. */
const CONNECTION_CALLS: readonly string[] = ['read', 'write', 'writev', 'shutdown', 'connect'];
/** Node's own words for the use of a stream that is over. */
const STREAM_CODES: readonly string[] = [
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_HTTP2_INVALID_STREAM',
  'ERR_HTTP2_STREAM_ERROR',
];

export interface StrayErrorActions {
  /** Ends the service in order; the process then exits with `EXIT_SOFTWARE`, for the service manager to start it anew. */
  readonly drain: () => Promise<void>;
  readonly exit?: (code: number) => void;
}

/**
 * Errors that reach nobody. One that is an ended connection's, or an expected failure that nobody waited for, is logged, and
 * that is all. After any other, state is suspect: it is logged with its stack, the service drains, and the service manager
 * starts it anew, which reads all state from the Engine; pods run on. Returns a function that takes the handlers away.
 * Call it when the service is up: before that an error ends the process as it is.
 */
export function onStrayErrors(
  { drain, exit = (code) => process.exit(code) }: StrayErrorActions,
  log: Logger,
) {
  let draining = false;
  const onError = (error: unknown): void => {
    if (isHarmless(error)) {
      log.error('an error that nobody caught; nothing else depends on it', { error });
      return;
    }
    log.error('an error that nobody caught: cridock drains, to be started anew', { error });
    if (draining) return;
    draining = true;
    setTimeout(() => exit(EXIT_SOFTWARE), DRAIN_TIMEOUT_MS).unref();
    drain().catch((failure: unknown) => {
      log.error('cannot stop cleanly', { error: failure });
      exit(EXIT_SOFTWARE);
    });
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  return (): void => {
    process.off('uncaughtException', onError);
    process.off('unhandledRejection', onError);
  };
}

/** True for errors that are known to leave nothing half-done but what they belong to. */
export function isHarmless(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof CriError || error.name === 'AbortError') return true;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    (syscall !== undefined && CONNECTION_CALLS.includes(syscall)) ||
    (code !== undefined && STREAM_CODES.includes(code))
  );
}
