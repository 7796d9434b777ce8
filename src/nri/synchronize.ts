import type { Container } from '../gen/nri/pkg/api/v1alpha1/Container.js';
import type { ContainerUpdate__Output } from '../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import type { PodSandbox } from '../gen/nri/pkg/api/v1alpha1/PodSandbox.js';
import type { Plugin } from './plugin.js';
import type { NriProtocol } from './protocol.js';

/** What a plugin learns of when it comes. */
export interface NodeState {
  readonly pods: readonly PodSandbox[];
  readonly containers: readonly Container[];
}

/** Below what a message may have, with room for what is round it. */
const MAX_PART_BYTES = 4 * 1024 * 1024 - 64 * 1024;
/** Tag and length of an entry. */
const ENTRY_BYTES = 6;

/**
 * Tells a plugin of all pods and containers, in several requests where one is not enough; answers the updates that it asks for.
 * Throws an Error when it fails, or does not know of requests in parts.
 */
export async function synchronize(
  plugin: Plugin,
  protocol: NriProtocol,
  state: NodeState,
  timeoutMs: number,
): Promise<ContainerUpdate__Output[]> {
  const parts = partsOf(protocol, state);
  const deadlineMs = performance.now() + timeoutMs;
  for (const [index, part] of parts.entries()) {
    const more = index < parts.length - 1;
    const reply = await plugin.call(
      'Synchronize',
      'SynchronizeRequest',
      { ...part, more },
      'SynchronizeResponse',
      Math.max(1, deadlineMs - performance.now()),
    );
    if (!more) return reply.update;
    if (!reply.more || reply.update.length > 0) throw new Error('it knows of no synchronisation in parts');
  }
  return [];
}

/** All in one where it fits. */
function partsOf(protocol: NriProtocol, { pods, containers }: NodeState): NodeState[] {
  const parts: { pods: PodSandbox[]; containers: Container[] }[] = [{ pods: [], containers: [] }];
  let bytes = 0;
  const partFor = (size: number): { pods: PodSandbox[]; containers: Container[] } => {
    bytes += size + ENTRY_BYTES;
    const last = parts.at(-1);
    if (last !== undefined && bytes <= MAX_PART_BYTES) return last;
    const part = { pods: [], containers: [] };
    parts.push(part);
    bytes = size + ENTRY_BYTES;
    return part;
  };
  for (const pod of pods) partFor(protocol.encode('PodSandbox', pod).length).pods.push(pod);
  for (const container of containers)
    partFor(protocol.encode('Container', container).length).containers.push(container);
  return parts;
}
