import { requireMessage } from '../convert/validate.js';
import { requireOomScoreAdj } from '../convert/oom-score.js';
import { updateBody } from '../convert/resources.js';
import { ContainerState } from '../gen/runtime/v1/ContainerState.js';
import type { UpdateContainerResourcesRequest__Output } from '../gen/runtime/v1/UpdateContainerResourcesRequest.js';
import type { UpdateContainerResourcesResponse } from '../gen/runtime/v1/UpdateContainerResourcesResponse.js';
import type { CallContext } from '../util/call-context.js';
import { Code, CriError } from '../util/cri-error.js';
import type { CriDeps } from './deps.js';
import { containerOrThrow } from './lookup.js';

/**
 * Changes the limits of a created or running container (CRI: UpdateContainerResources). Zero and empty members leave
 * the present value.
 */
export async function updateContainerResources(
  deps: CriDeps,
  request: UpdateContainerResourcesRequest__Output,
  ctx: CallContext,
): Promise<UpdateContainerResourcesResponse> {
  const picture = await deps.mirror.current(ctx.signal);
  const container = containerOrThrow(picture, request.container_id);
  const { state } = container.phase;
  if (state !== ContainerState.CONTAINER_CREATED && state !== ContainerState.CONTAINER_RUNNING) {
    throw new CriError(Code.FAILED_PRECONDITION, `container_id: container ${container.id} has ended`);
  }
  const linux = requireMessage('linux', request.linux);
  requireOomScoreAdj('linux.oom_score_adj', linux.oom_score_adj);
  const resources = updateBody(linux);
  await deps.engine.updateContainer(container.id, resources, { signal: ctx.signal });
  await deps.mirror.refresh(container.id);
  return {};
}
