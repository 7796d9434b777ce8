import { join } from 'node:path';
/** What the kubelet says of a pod as a whole, in CRI's JSON. The pod's cgroup is the kubelet's own to set. */

import { POD_RESOURCES } from '../convert/sandbox/sandbox-facts.js';
import type { Logger } from '../util/log.js';
import { JsonStore } from './json-store.js';
import type { SandboxRecord } from './records.js';

export type PodResources = Record<string, unknown>;

/** The last that was said, when the sandbox was made or later. */
export function podResourcesOf(
  { podResources }: { readonly podResources: JsonStore<PodResources> },
  sandbox: SandboxRecord,
): PodResources {
  const updated = podResources.get(sandbox.id);
  if (updated !== undefined) return updated;
  try {
    return readPodResources(JSON.parse(sandbox.labels.own[POD_RESOURCES] ?? '{}'));
  } catch {
    return {}; // a label of somebody else's making says nothing
  }
}

/** Where they are kept, below cridock's root directory. */
export function podResourcesStore(rootDirectory: string, log: Logger): JsonStore<PodResources> {
  return new JsonStore({
    dir: join(rootDirectory, 'pod-resources'),
    read: readPodResources,
    log,
    outlasts: 'a crash',
  });
}

/** Checks a decoded JSON value. Throws when it is no object. */
function readPodResources(value: unknown): PodResources {
  if (typeof value !== 'object' || value === null) throw new Error('no object');
  return { ...value };
}
