import type { RemoveContainerRequest__Output } from '../gen/runtime/v1/RemoveContainerRequest.js';
import type { RemoveContainerResponse } from '../gen/runtime/v1/RemoveContainerResponse.js';
import { unlinkDockerLog } from '../logs/docker-log-link.js';
import type { ContainerRecord } from '../state/records.js';
import type { CallContext } from '../util/call-context.js';
import { messageOf } from '../util/cri-error.js';
import type { CriDeps } from './deps.js';
import { findContainer, unlessGone } from './lookup.js';

/** Removes a container, by force if it runs (CRI: RemoveContainer). Success on unknown ids. */
export async function removeContainer(
  deps: CriDeps,
  request: RemoveContainerRequest__Output,
  ctx: CallContext,
): Promise<RemoveContainerResponse> {
  const container = findContainer(await deps.mirror.current(ctx.signal), request.container_id);
  if (container !== undefined) await removeOneContainer(deps, container, ctx.signal);
  return {};
}

/** Removes this container with the link to its log, which would point nowhere. */
export async function removeOneContainer(
  deps: CriDeps,
  container: ContainerRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await unlessGone(deps.engine.removeContainer(container.id, { signal }));
  await deps.mirror.refresh(container.id);
  await deps.heldLimits.delete(container.id);
  const { logPath } = container.labels;
  if (logPath === '') return;
  try {
    await unlinkDockerLog(logPath);
  } catch (error) {
    deps.log.warn('the log link stays', { containerId: container.id, logPath, error: messageOf(error) });
  }
}
