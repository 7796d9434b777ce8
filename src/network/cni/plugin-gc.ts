import { messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import type { PluginChain, ValidAttachment } from './chain.js';
import type { GcGate } from './gc-gate.js';
import { GcSchedule } from './gc-schedule.js';
import type { NetworkConfig } from './network-config.js';
import { withinLimits } from './time-limit.js';

/** GC is housekeeping: what does not end soon is tried again when it is due. */
const DEFAULT_TIMEOUT_MS = 10_000;
/** How long GC waits for a moment in which no pod is attached or detached. */
const QUIET_WITHIN_MS = 10_000;

export interface PluginGcOptions {
  chain: PluginChain;
  gate: GcGate;
  log: Logger;
  /** Aborts when cridock stops. */
  stopping: AbortSignal;
  /** How long the plugins may take. */
  timeoutMs?: number | undefined;
}

/** Has a network's plugins collect garbage (CNI's GC), rarely and never in the way of a pod. */
export class PluginGc {
  readonly #options: PluginGcOptions;
  readonly #schedule = new GcSchedule();

  constructor(options: PluginGcOptions) {
    this.#options = options;
  }

  /**
   * Runs GC where it is due, in a quiet moment; where none comes the next call tries again. Failures are logged.
   *
   * @param valid asked in that moment for the attachments that are in use
   */
  async run(
    network: NetworkConfig,
    valid: () => Promise<ValidAttachment[]>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!this.#schedule.isDue(network.text)) return;
    const { gate, stopping } = this.#options;
    const patience = { timeoutMs: QUIET_WITHIN_MS, signals: [signal, stopping] };
    await withinLimits(patience, 'GC', (limited) =>
      gate.gc((yielding) => this.#collect(network, valid, [yielding, signal, stopping]), limited),
    ).catch(() => undefined);
  }

  async #collect(
    network: NetworkConfig,
    valid: () => Promise<ValidAttachment[]>,
    signals: (AbortSignal | undefined)[],
  ): Promise<void> {
    const { chain, log, stopping, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    try {
      await withinLimits({ timeoutMs, signals }, 'GC', async (limited) =>
        chain.gc(network, await valid(), limited),
      );
      this.#schedule.succeeded();
    } catch (error) {
      if (stopping.aborted) return;
      const nextTryInS = this.#schedule.failed() / 1000;
      log.warn('CNI garbage collection failed', {
        network: network.name,
        error: messageOf(error),
        nextTryInS,
      });
    }
  }
}
