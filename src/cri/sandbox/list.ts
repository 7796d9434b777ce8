import { matchesSelector } from '../../convert/text/labels.js';
import type { ListPodSandboxRequest__Output } from '../../gen/runtime/v1/ListPodSandboxRequest.js';
import type { PodSandboxFilter__Output } from '../../gen/runtime/v1/PodSandboxFilter.js';
import type { PodSandboxStatsFilter__Output } from '../../gen/runtime/v1/PodSandboxStatsFilter.js';
import type { StreamPodSandboxesRequest__Output } from '../../gen/runtime/v1/StreamPodSandboxesRequest.js';
import type { Picture } from '../../state/picture.js';
import { type SandboxRecord } from '../../state/records.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply } from '../../util/encoded-reply.js';
import type { CriDeps } from '../deps.js';
import { sandboxState } from '../replies/sandbox-messages.js';

/** Lists pod sandboxes; the parts of a filter are ANDed (CRI: ListPodSandbox). Never asks the Engine. */
export async function listPodSandbox(
  deps: Pick<CriDeps, 'mirror' | 'sandboxListing'>,
  request: ListPodSandboxRequest__Output,
  ctx: CallContext,
): Promise<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const bytes = isUnfiltered(request.filter)
    ? deps.sandboxListing.all(picture.sandboxes.values(), picture.sandboxVersion)
    : deps.sandboxListing.some(filterSandboxes(picture, request.filter));
  return new EncodedReply(bytes);
}

/** ListPodSandbox as a stream (CRI: StreamPodSandboxes); its messages are laid out as that one's reply. */
export async function* streamPodSandboxes(
  deps: Pick<CriDeps, 'mirror' | 'sandboxListing'>,
  { filter }: StreamPodSandboxesRequest__Output,
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await deps.mirror.current(ctx.signal);
  const sandboxes = [...(filter === null ? picture.sandboxes.values() : filterSandboxes(picture, filter))];
  for await (const batch of inBatches(sandboxes)) yield new EncodedReply(deps.sandboxListing.some(batch));
}

function isUnfiltered(filter: PodSandboxFilter__Output | null): filter is null {
  return (
    filter === null ||
    (filter.id === '' && filter.state === null && Object.keys(filter.label_selector).length === 0)
  );
}

/** An absent state matches all: its zero value is READY, so presence is what counts. */
function* filterSandboxes(picture: Picture, filter: PodSandboxFilter__Output): Generator<SandboxRecord> {
  for (const sandbox of sandboxesMatching(picture, filter)) {
    if (filter.state === null || filter.state.state === sandboxState(sandbox)) yield sandbox;
  }
}

/** The sandboxes that match what all filters have; the parts are ANDed. */
export function* sandboxesMatching(
  picture: Picture,
  filter: PodSandboxStatsFilter__Output | null,
): Generator<SandboxRecord> {
  if (filter === null) {
    yield* picture.sandboxes.values();
    return;
  }
  for (const sandbox of candidates(picture, filter.id)) {
    if (matchesSelector(sandbox.labels.labels, filter.label_selector)) yield sandbox;
  }
}

function candidates(picture: Picture, id: string): Iterable<SandboxRecord> {
  if (id === '') return picture.sandboxes.values();
  const sandbox = picture.sandboxes.resolve(id, 'filter.id');
  return sandbox === undefined ? [] : [sandbox];
}
