import type { Config } from '../cli/config.js';
import { observeLog } from '../cri/container/log.js';
import type { Engine } from '../docker/engine.js';
import type { KnownImages } from '../images/known-images.js';
import { imageNames } from '../images/names.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { PodNetwork } from '../network/network.js';
import { podAddresses } from '../network/pod-addresses.js';
import { MemoryKills } from '../node/memory-kills.js';
import { Mirror } from '../state/mirror.js';
import { readRecord, type RecordSources } from '../state/read-record.js';
import { recognitionOn } from '../state/recognise.js';
import type { Seal } from '../state/seal.js';
import type { Logger } from '../util/log.js';

const RECONCILE_EVERY_MS = 180_000;
const COMPARE_EVERY_MS = 10_000;

/** What records are read with. */
export interface MirrorParts {
  readonly engine: Engine;
  readonly network: PodNetwork;
  readonly images: KnownImages;
  readonly seal: Seal;
  readonly logs: ContainerLogs;
  readonly log: Logger;
}

/** The picture of the Engine's pods, not followed yet. */
export function buildMirror(config: Config, parts: MirrorParts): Mirror {
  const { engine, network, images, seal, logs, log } = parts;
  const sources: RecordSources = {
    ...recognitionOn(engine, images, seal),
    addresses: (sandbox) => podAddresses(network, sandbox),
    image: (container, labels) => imageNames(container, labels, images),
    log,
  };
  const memoryKills = new MemoryKills();
  return new Mirror({
    engine,
    log,
    read: (inspect, last) => readRecord(inspect, sources, last),
    isKernelsKill: (id) => memoryKills.has(id),
    beforeTold: async (record) => {
      if (record.kind === 'container') await observeLog(logs, record);
    },
    reconcileEveryMs: RECONCILE_EVERY_MS,
    compareEveryMs: COMPARE_EVERY_MS,
    requestTimeoutMs: config.runtimeRequestTimeoutMs,
  });
}
