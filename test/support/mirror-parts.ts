import { Mirror, type MirrorOptions } from '../../src/state/mirror.js';
import { readRecord, type RecordSources } from '../../src/state/read-record.js';
import { silentLogger } from '../../src/util/log.js';
import type { FakeEngine } from './fake-engine.js';
import { everySealHolds } from './recognition.js';

/** Makes a sandbox's container behind the mirror's back; answers its id. */
export function createSandbox(engine: FakeEngine, name: string): Promise<string> {
  engine.addImage('pause:1');
  return engine.createContainer(`k8s_POD_${name}_ns_uid_0`, {
    Image: 'pause:1',
    Labels: { 'io.kubernetes.docker.type': 'podsandbox', 'io.kubernetes.container.name': 'POD' },
    HostConfig: { NetworkMode: 'none', IpcMode: 'shareable' },
  });
}

/** Makes a container of the pod `pod`, whose sandbox is given, behind the mirror's back; answers its id. */
export function createMember(engine: FakeEngine, sandboxId: string, name: string): Promise<string> {
  engine.addImage('image:1');
  return engine.createContainer(`k8s_${name}_pod_ns_uid_0`, {
    Image: 'image:1',
    Labels: {
      'io.kubernetes.docker.type': 'container',
      'io.kubernetes.sandbox.id': sandboxId,
      'io.kubernetes.container.name': name,
    },
    HostConfig: { NetworkMode: `container:${sandboxId}` },
  });
}

/** What an inspect alone does not tell, the same of each. */
export const recordSources: RecordSources = {
  ...everySealHolds,
  addresses: () => Promise.resolve(['10.0.0.1']),
  image: () => Promise.resolve({ name: 'n', ref: 'r', id: 'i' }),
  log: silentLogger,
};

/** Reads every inspect into a record. */
export const readEvery: MirrorOptions['read'] = (inspect) => readRecord(inspect, recordSources);

/** A mirror that is not started yet; it neither compares nor reads all within a test, unless `changed` says so. */
export function mirrorOf(engine: FakeEngine, changed: Partial<MirrorOptions> = {}): Mirror {
  return new Mirror({
    engine,
    log: silentLogger,
    read: readEvery,
    isKernelsKill: () => Promise.resolve(false),
    reconcileEveryMs: 3_600_000,
    compareEveryMs: 3_600_000,
    requestTimeoutMs: 5_000,
    ...changed,
  });
}
