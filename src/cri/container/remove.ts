import type { RemoveContainerRequest__Output } from '../../gen/runtime/v1/RemoveContainerRequest.js';
import type { RemoveContainerResponse } from '../../gen/runtime/v1/RemoveContainerResponse.js';
import { unlinkDockerLog } from '../../logs/docker-log-link.js';
import { mayRun, type ContainerRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { messageOf } from '../../util/cri-error.js';
import type { NriDeps } from '../nri/deps.js';
import { tellGone } from '../nri/tell-containers.js';
import { logModeOf } from './log.js';
import type { CriDeps } from '../deps.js';
import { hasImageVolumes, sweepImageVolumes } from '../../images/volumes.js';
import { findContainer } from '../lookup.js';
import { unlessGone } from '../../util/cri-error.js';

/** What it takes to remove a container. */
export type RemoveContainerDeps = Pick<
  CriDeps,
  'engine' | 'heldLimits' | 'imageVolumes' | 'log' | 'logs' | 'mirror' | 'nriAdjustments'
> &
  NriDeps;

/** Removes a container, by force if it runs (CRI: RemoveContainer). Success on unknown ids. */
export async function removeContainer(
  deps: RemoveContainerDeps,
  request: RemoveContainerRequest__Output,
  ctx: CallContext,
): Promise<RemoveContainerResponse> {
  const container = findContainer(await deps.mirror.current(ctx.signal), request.container_id);
  if (container !== undefined) await removeOneContainer(deps, container, ctx.signal);
  return {};
}

/**
 * Removes this container. The log that cridock wrote stays, complete, for the kubelet to remove; a link to Docker's own
 * would point nowhere and goes.
 */
export async function removeOneContainer(
  deps: RemoveContainerDeps,
  container: ContainerRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { logPath } = container.labels;
  const logMode = logModeOf(container);
  if (logMode === 'cri') await endWithLog(deps, container, signal);
  const last = deps.mirror.lastKnown.containers.get(container.id) ?? container;
  await unlessGone(deps.engine.removeContainer(container.id, { signal }));
  await tellGone(deps, last);
  await deps.mirror.removed(container.id);
  await deps.logs.forget(container.id);
  await deps.heldLimits.delete(container.id);
  await deps.nriAdjustments.delete(container.id);
  if (hasImageVolumes(container)) await sweepImageVolumes(deps);
  if (logMode !== 'symlink') return;
  try {
    await unlinkDockerLog(logPath);
  } catch (error) {
    deps.log.warn('the log link stays', { containerId: container.id, logPath, error: messageOf(error) });
  }
}

/** The Engine's log goes away with the container: what it wrote last must be read before. */
async function endWithLog(
  deps: Pick<CriDeps, 'engine' | 'logs' | 'mirror'>,
  container: ContainerRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (mayRun(container)) await unlessGone(deps.engine.stopContainer(container.id, 0, { signal }));
  else if (deps.logs.isComplete(container.id)) return;
  await deps.mirror.refresh(container.id);
}
