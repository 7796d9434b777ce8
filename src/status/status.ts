import { setTimeout as delay } from 'node:timers/promises';
import { connectToCri } from '../client/cri-client.js';
import type { OfService } from '../unit/of-service.js';
import { socketOf } from '../util/endpoint.js';
import { collectStatus, type NodeStatus } from './collect.js';
import { statusScreen } from './screen.js';

const TIMEOUT_MS = 10_000;
const WATCH_EVERY_MS = 2_000;
/** Erases the screen and what scrolled out of it, and goes to its first line. */
const CLEAR = '\u001b[2J\u001b[3J\u001b[H';

/** How the service fares now. */
export async function readStatus(service: OfService): Promise<NodeStatus> {
  const cri = connectToCri(socketOf(service.config.endpoint), TIMEOUT_MS);
  try {
    return await collectStatus(service, cri);
  } finally {
    cri.close();
  }
}

/** Where the screen goes; colours and watching need a terminal for it. */
export type StatusOutput = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;

/** Prints one screen, or one every two seconds until `stopped`; answers whether pods can be run by the last of them. */
export async function showStatus(
  look: () => Promise<OfService>,
  output: StatusOutput,
  watch: { readonly stopped: AbortSignal } | undefined,
): Promise<boolean> {
  // https://no-color.org
  const colour = output.isTTY && (process.env['NO_COLOR'] ?? '') === '';
  for (;;) {
    const status = await readStatus(await look());
    const screen = statusScreen(status, { colour, nowMs: Date.now() });
    output.write(`${watch !== undefined && output.isTTY ? CLEAR : ''}${screen}\n`);
    if (watch === undefined) return status.ready;
    const goesOn = await delay(WATCH_EVERY_MS, true, { signal: watch.stopped }).catch(() => false);
    if (!goesOn) return status.ready;
  }
}
