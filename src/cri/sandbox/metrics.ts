import { isAlive } from '../../state/records.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply, joined } from '../../util/encoded-reply.js';
import type { CriDeps } from '../deps.js';
import { imageRoot } from '../../images/root.js';

/** The metrics of all running pods (CRI: ListPodSandboxMetrics). Never asks the Engine. */
export async function listPodSandboxMetrics(
  deps: Pick<CriDeps, 'mirror' | 'sandboxMetrics'>,
  ctx: CallContext,
): Promise<EncodedReply> {
  return joined(streamPodSandboxMetrics(deps, ctx));
}

/** ListPodSandboxMetrics as a stream (CRI: StreamPodSandboxMetrics); its messages are laid out as that one's reply. */
export async function* streamPodSandboxMetrics(
  { mirror, sandboxMetrics }: Pick<CriDeps, 'mirror' | 'sandboxMetrics'>,
  ctx: CallContext,
): AsyncGenerator<EncodedReply> {
  const picture = await mirror.current(ctx.signal);
  const filesystem = await sandboxMetrics.filesystem(await imageRoot(mirror.facts?.info));
  const sandboxes = [...picture.sandboxes.values()].filter(isAlive);
  for await (const batch of inBatches(sandboxes)) {
    yield new EncodedReply(sandboxMetrics.encode(picture, batch, filesystem));
  }
}
