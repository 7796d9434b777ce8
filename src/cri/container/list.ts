import { matchesSelector } from '../../convert/text/labels.js';
import type { ContainerFilter__Output } from '../../gen/runtime/v1/ContainerFilter.js';
import type { ContainerStatsFilter__Output } from '../../gen/runtime/v1/ContainerStatsFilter.js';
import type { ListContainersRequest__Output } from '../../gen/runtime/v1/ListContainersRequest.js';
import type { StreamContainersRequest__Output } from '../../gen/runtime/v1/StreamContainersRequest.js';
import type { Picture } from '../../state/picture.js';
import type { ContainerRecord } from '../../state/records.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply } from '../../util/encoded-reply.js';
import type { CriDeps } from '../deps.js';

/** Lists workload containers; the parts of a filter are ANDed (CRI: ListContainers). Never asks the Engine. */
export async function listContainers(
  deps: Pick<CriDeps, 'containerListing' | 'mirror'>,
  request: ListContainersRequest__Output,
  ctx: CallContext,
): Promise<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const bytes = isUnfiltered(request.filter)
    ? deps.containerListing.all(picture.containers.values(), picture.containerVersion)
    : deps.containerListing.some(filterContainers(picture, request.filter));
  return new EncodedReply(bytes);
}

/** ListContainers as a stream (CRI: StreamContainers); its messages are laid out as that one's reply. */
export async function* streamContainers(
  deps: Pick<CriDeps, 'containerListing' | 'mirror'>,
  { filter }: StreamContainersRequest__Output,
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const containers = [...(filter === null ? picture.containers.values() : filterContainers(picture, filter))];
  for await (const batch of inBatches(containers)) yield new EncodedReply(deps.containerListing.some(batch));
}

function isUnfiltered(filter: ContainerFilter__Output | null): filter is null {
  return (
    filter === null ||
    (filter.id === '' &&
      filter.pod_sandbox_id === '' &&
      filter.state === null &&
      Object.keys(filter.label_selector).length === 0)
  );
}

/** An absent state matches all: its zero value is CREATED, so presence is what counts. */
function* filterContainers(picture: Picture, filter: ContainerFilter__Output): Generator<ContainerRecord> {
  for (const container of containersMatching(picture, filter)) {
    if (filter.state === null || filter.state.state === container.phase.state) yield container;
  }
}

/** The containers that match what all filters have; the parts are ANDed. */
export function* containersMatching(
  picture: Picture,
  filter: ContainerStatsFilter__Output | null,
): Generator<ContainerRecord> {
  if (filter === null) {
    yield* picture.containers.values();
    return;
  }
  for (const container of candidates(picture, filter)) {
    if (matchesSelector(container.labels.labels, filter.label_selector)) yield container;
  }
}

function candidates(picture: Picture, filter: ContainerStatsFilter__Output): Iterable<ContainerRecord> {
  const members = inSandbox(picture, filter.pod_sandbox_id);
  if (filter.id === '') return members ?? picture.containers.values();
  const container = picture.containers.resolve(filter.id, 'filter.id');
  if (container === undefined) return [];
  return members === undefined || members.includes(container) ? [container] : [];
}

/** The members of the sandbox that the filter names; undefined when it names none. */
function inSandbox(picture: Picture, sandboxIdOrPrefix: string): ContainerRecord[] | undefined {
  if (sandboxIdOrPrefix === '') return undefined;
  const sandbox = picture.sandboxes.resolve(sandboxIdOrPrefix, 'filter.pod_sandbox_id');
  return picture.membersOf(sandbox?.id ?? sandboxIdOrPrefix);
}
