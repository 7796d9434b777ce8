/** What the kubelet says of a pod as a whole, in CRI's JSON. The pod's cgroup is the kubelet's own to set. */

import { POD_RESOURCES } from '../convert/sandbox/sandbox-facts.js';
import type { CriDeps } from '../cri/deps.js';
import type { SandboxRecord } from './records.js';

export type PodResources = Record<string, unknown>;

/** The last that was said, when the sandbox was made or later. */
export function podResourcesOf(deps: CriDeps, sandbox: SandboxRecord): PodResources {
  const updated = deps.podResources.get(sandbox.id);
  if (updated !== undefined) return updated;
  try {
    return readPodResources(JSON.parse(sandbox.labels.own[POD_RESOURCES] ?? '{}'));
  } catch {
    return {}; // a label of somebody else's making says nothing
  }
}

/** Checks a decoded JSON value. Throws when it is no object. */
export function readPodResources(value: unknown): PodResources {
  if (typeof value !== 'object' || value === null) throw new Error('no object');
  return { ...value };
}
