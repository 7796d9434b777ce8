import { Nri, type NriHost, type NriOptions } from '../../src/nri/nri.js';
import type { NodeState } from '../../src/nri/synchronize.js';
import { silentLogger } from '../../src/util/log.js';

/** Of a runtime that starts no plugins and waits so long for each. */
export function nriOptions(timeoutMs: number): NriOptions {
  return {
    runtimeVersion: 'v1',
    folders: { plugins: '', configs: '' },
    registrationTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
    log: silentLogger,
    onCall: () => undefined,
  };
}

/** A node in this state, which plugins change nothing of. */
export function unchangingHost(state: NodeState): NriHost {
  return {
    ready: Promise.resolve(),
    state: () => Promise.resolve(state),
    update: () => Promise.resolve([]),
    evict: () => Promise.resolve(),
  };
}

/** The plugins' side of a cridock that has none. */
export function idleNri(): Nri {
  return new Nri(nriOptions(1_000), () => {
    throw new Error('no plugin is expected');
  });
}
