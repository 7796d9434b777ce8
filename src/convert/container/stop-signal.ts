import { constants } from 'node:os';
import { Signal } from '../../gen/runtime/v1/Signal.js';
import type { Signal__Output } from '../../gen/runtime/v1/Signal.js';
import { invalidArgument } from '../../util/cri-error.js';

const FIRST_REAL_TIME = 34;
const LAST_REAL_TIME = 64;
const PLUS_LIMIT = 15;

/**
 * `Config.StopSignal` for CRI's signal, such as `SIGTERM` or `SIGRTMIN+3`; undefined for SIGNAL_RUNTIME_DEFAULT, which
 * leaves the image's choice. INVALID_ARGUMENT for numbers that CRI has no signal for.
 */
export function stopSignalName(signal: Signal__Output): string | undefined {
  if (signal === Signal.SIGNAL_RUNTIME_DEFAULT) return undefined;
  const found = Object.entries(Signal).find(([, number]) => number === signal);
  if (!found) throw invalidArgument('config.stop_signal', 'is unknown');
  return dockerName(found[0]);
}

/**
 * CRI's number (not the kernel's) for what a container or an image has as its stop signal: a name with or without SIG,
 * or a Linux signal number. SIGTERM where there is none, or one that nobody knows.
 */
export function signalNumber(stopSignal: string | undefined): Signal__Output {
  const text = (stopSignal ?? '').toUpperCase();
  const name = /^\d+$/.test(text) ? linuxName(Number(text)) : text.startsWith('SIG') ? text : `SIG${text}`;
  const found = Object.entries(Signal).find(([key]) => dockerName(key) === name);
  return found?.[1] ?? Signal.SIGNAL_SIGTERM;
}

/** `SIGNAL_SIGRTMINPLUS3` is SIGRTMIN+3. */
function dockerName(criName: string): string {
  return criName.replace('SIGNAL_', '').replace('PLUS', '+').replace('MINUS', '-');
}

function linuxName(number: number): string {
  if (number < FIRST_REAL_TIME || number > LAST_REAL_TIME) {
    return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? '';
  }
  const above = number - FIRST_REAL_TIME;
  if (above <= PLUS_LIMIT) return above === 0 ? 'SIGRTMIN' : `SIGRTMIN+${above}`;
  const below = LAST_REAL_TIME - number;
  return below === 0 ? 'SIGRTMAX' : `SIGRTMAX-${below}`;
}
