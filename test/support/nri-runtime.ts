import { Nri } from '../../src/nri/nri.js';
import { silentLogger } from '../../src/util/log.js';

/** The plugins' side of a cridock that has none. */
export function idleNri(): Nri {
  const options = {
    runtimeVersion: 'v0',
    folders: { plugins: '', configs: '' },
    registrationTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    log: silentLogger,
    onCall: () => undefined,
  };
  return new Nri(options, () => {
    throw new Error('no plugin is expected');
  });
}
