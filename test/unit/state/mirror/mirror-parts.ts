import type { ObjectReaderOptions } from '../../../../src/state/mirror/object-reader.js';
import { readRecord } from '../../../../src/state/read-record.js';
import { silentLogger } from '../../../../src/util/log.js';
import type { FakeEngine } from '../../../support/fake-engine.js';
import { everySealHolds } from '../../../support/recognition.js';

/** Makes a sandbox's container behind the mirror's back; answers its id. */
export function createSandbox(engine: FakeEngine, name: string): Promise<string> {
  engine.addImage('pause:1');
  return engine.createContainer(`k8s_POD_${name}_ns_uid_0`, {
    Image: 'pause:1',
    Labels: { 'io.kubernetes.docker.type': 'podsandbox', 'io.kubernetes.container.name': 'POD' },
    HostConfig: { NetworkMode: 'none', IpcMode: 'shareable' },
  });
}

/** Reads every inspect into a record, with addresses of its own. */
export const readEvery: ObjectReaderOptions['read'] = (inspect) =>
  readRecord(inspect, {
    ...everySealHolds,
    addresses: () => Promise.resolve(['10.0.0.1']),
    image: () => Promise.resolve({ name: 'n', ref: 'r', id: 'i' }),
    log: silentLogger,
  });
