import { messageOf } from '../../util/cri-error.js';
import type { PluginChain } from './chain.js';
import type { NetworkConfig } from './network-config.js';
import { withinLimits } from './time-limit.js';

const TIMEOUT_MS = 5_000;
/** How long an answer counts: the kubelet asks for the status every five seconds. */
const FRESH_MS = 10_000;

/** Asks a network's plugins for their STATUS, not more often than needed. */
export class StatusProbe {
  readonly #chain: PluginChain;
  #last: { config: string; askedAtMs: number; problem: Promise<string | undefined> } | undefined;

  constructor(chain: PluginChain) {
    this.#chain = chain;
  }

  /** Why the plugins cannot serve ADD now, or undefined when they can. Answers within seconds. */
  async problem(network: NetworkConfig, stopping: AbortSignal): Promise<string | undefined> {
    const nowMs = performance.now();
    const last = this.#last;
    if (last?.config === network.text && nowMs - last.askedAtMs < FRESH_MS) return last.problem;
    const problem = withinLimits({ timeoutMs: TIMEOUT_MS, signals: [stopping] }, 'STATUS', (signal) =>
      this.#chain.status(network, signal),
    ).then(() => undefined, messageOf);
    this.#last = { config: network.text, askedAtMs: nowMs, problem };
    return problem;
  }
}
