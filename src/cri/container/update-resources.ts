import { requireMessage } from '../../convert/text/validate.js';
import type { UpdateContainerResourcesRequest__Output } from '../../gen/runtime/v1/UpdateContainerResourcesRequest.js';
import type { UpdateContainerResourcesResponse } from '../../gen/runtime/v1/UpdateContainerResourcesResponse.js';
import type { CallContext } from '../../util/call-context.js';
import { invalidArgument } from '../../util/cri-error.js';
import { containerOrThrow } from '../lookup.js';
import type { NriDeps } from '../nri/deps.js';
import { updateByPlugins } from '../nri/update-container.js';
import { podLockKey } from '../../state/picture.js';
import { KERNEL_PATHS, type KernelPaths } from '../../limits/container-cgroup.js';
import { changeLimits, type ChangeLimitsDeps } from './change-limits.js';

/** What it takes to change a container's limits. */
export type UpdateResourcesDeps = ChangeLimitsDeps & NriDeps;

/**
 * Changes the limits of a created or running container, all of them or none (CRI: UpdateContainerResources). Zero and
 * empty members leave the present value; what is changed before the start holds from the start on. FAILED_PRECONDITION for a
 * memory limit below what a running container uses.
 */
export async function updateContainerResources(
  deps: UpdateResourcesDeps,
  request: UpdateContainerResourcesRequest__Output,
  ctx: CallContext,
  paths: KernelPaths = KERNEL_PATHS,
): Promise<UpdateContainerResourcesResponse> {
  const picture = await deps.mirror.current(ctx.signal);
  const container = containerOrThrow(picture, request.container_id);
  if (request.windows !== null) throw invalidArgument('windows', 'this node runs Linux containers only');
  const linux = requireMessage('linux', request.linux);
  await deps.podLocks.run(
    podLockKey(picture, container),
    async () => {
      const now = containerOrThrow(await deps.mirror.current(ctx.signal), container.id);
      await updateByPlugins(deps, now, { linux, beside: {} }, (limits) =>
        changeLimits(deps, now, limits, paths),
      );
    },
    ctx.signal,
  );
  return {};
}
