import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { runProgram } from '../util/run-program.js';

/** Tells systemd how the service fares (sd_notify(3)). Nothing happens when systemd did not ask for it. */
export interface ServiceNotifier {
  /** The socket is open and calls are served. Starts the watchdog's signs of life when the unit wants them. */
  ready(): Promise<void>;
  /** The configuration is being read again; `ready` ends it. */
  reloading(): Promise<void>;
  /** The service ends, and may take `graceMs` longer over it than the unit allows. */
  stopping(graceMs: number): Promise<void>;
}

/** What a stop takes at most, but for the grace of sessions. */
const STOP_TIMEOUT_MS = 30_000;
/**
 * A child that does not come back within this time is not waited for. A start that systemd is never told of is no start, and a
 * busy machine takes its time to run a program: that word gets as long as the unit gives to a start. The end waits less.
 */
const NOTIFY_TIMEOUT_MS = 60_000;
const STOPPING_NOTIFY_TIMEOUT_MS = 5_000;

/**
 * Node has no unix datagram sockets, so systemd-notify, which is part of every systemd, sends the messages; the
 * unit needs `NotifyAccess=all` for that. Where it cannot be run, a warning says so once, and the service goes on.
 * The variables are taken out of `env`, so that no child speaks in our name.
 */
export function createServiceNotifier(env: NodeJS.ProcessEnv, log: Logger): ServiceNotifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs, WATCHDOG_PID: watchdogPid } = env;
  delete env['NOTIFY_SOCKET'];
  delete env['WATCHDOG_USEC'];
  delete env['WATCHDOG_PID'];
  if (socket === undefined || socket === '') {
    return {
      ready: () => Promise.resolve(),
      reloading: () => Promise.resolve(),
      stopping: () => Promise.resolve(),
    };
  }

  let failed = false;
  let watchdog: NodeJS.Timeout | undefined;
  const notify = async (states: string[], timeoutMs = NOTIFY_TIMEOUT_MS): Promise<void> => {
    try {
      await runProgram('systemd-notify', states, { timeoutMs, env: { ...env, NOTIFY_SOCKET: socket } });
    } catch (error) {
      if (!failed) log.warn('cannot tell systemd the state of the service', { reason: messageOf(error) });
      failed = true;
    }
  };
  const watchdogIntervalMs = ownWatchdogIntervalMs(watchdogUs, watchdogPid);
  return {
    ready: async () => {
      await notify(['READY=1']);
      if (watchdogIntervalMs === undefined) return;
      watchdog ??= setInterval(() => void notify(['WATCHDOG=1']), watchdogIntervalMs).unref();
    },
    // Type=notify-reload wants the time, on CLOCK_MONOTONIC, which is what hrtime reads.
    reloading: () => notify(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`]),
    stopping: (graceMs) => {
      clearInterval(watchdog);
      // From now on, and whatever TimeoutStopSec says.
      const timeoutUs = (graceMs + STOP_TIMEOUT_MS) * 1000;
      return notify(['STOPPING=1', `EXTEND_TIMEOUT_USEC=${timeoutUs}`], STOPPING_NOTIFY_TIMEOUT_MS);
    },
  };
}

/** Half of the unit's WatchdogSec, as sd_watchdog_enabled(3) advises; undefined when no watchdog is for us. */
function ownWatchdogIntervalMs(usec: string | undefined, pid: string | undefined): number | undefined {
  if (usec === undefined || !/^[1-9]\d*$/.test(usec)) return undefined;
  if (pid !== undefined && pid !== String(process.pid)) return undefined;
  return Math.max(1, Math.floor(Number(usec) / 2000));
}
