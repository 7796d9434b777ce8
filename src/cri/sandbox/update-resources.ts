import type { UpdatePodSandboxResourcesRequest__Output } from '../../gen/runtime/v1/UpdatePodSandboxResourcesRequest.js';
import type { UpdatePodSandboxResourcesResponse } from '../../gen/runtime/v1/UpdatePodSandboxResourcesResponse.js';
import { podResourcesOf } from '../../state/pod-resources.js';
import type { CallContext } from '../../util/call-context.js';
import type { NriDeps } from '../nri/deps.js';
import { tellPodUpdate } from '../nri/tell-pods.js';
import { sandboxOrThrow } from '../lookup.js';

/**
 * Notes a pod's resources and overhead (CRI: UpdatePodSandboxResources), shown by a verbose PodSandboxStatus: the kubelet
 * itself has set the pod's cgroup before, and the pause process needs no limits. NOT_FOUND when unknown.
 */
export async function updatePodSandboxResources(
  deps: NriDeps,
  request: UpdatePodSandboxResourcesRequest__Output,
  ctx: CallContext,
): Promise<UpdatePodSandboxResourcesResponse> {
  const sandbox = sandboxOrThrow(await deps.mirror.current(ctx.signal), request.pod_sandbox_id);
  const { overhead, resources } = request;
  await deps.podLocks.run(
    sandbox.name,
    async () => {
      const now = sandboxOrThrow(await deps.mirror.current(ctx.signal), sandbox.id); // it may have gone meanwhile
      await tellPodUpdate(deps, now, request, () =>
        deps.podResources.set(sandbox.id, {
          ...podResourcesOf(deps, sandbox),
          ...(overhead && { overhead }),
          ...(resources && { resources }),
        }),
      );
    },
    ctx.signal,
  );
  return {};
}
