import { POD_RESOURCES } from '../../convert/sandbox/sandbox-facts.js';
import type { UpdatePodSandboxResourcesRequest__Output } from '../../gen/runtime/v1/UpdatePodSandboxResourcesRequest.js';
import type { UpdatePodSandboxResourcesResponse } from '../../gen/runtime/v1/UpdatePodSandboxResourcesResponse.js';
import type { SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { sandboxOrThrow } from '../lookup.js';

/** What the kubelet says of a pod as a whole, in CRI's JSON. The pod's cgroup is the kubelet's own to set. */
export type PodResources = Record<string, unknown>;

/**
 * Notes a pod's resources and overhead (CRI: UpdatePodSandboxResources), shown by a verbose PodSandboxStatus: the kubelet
 * itself has set the pod's cgroup before, and the pause process needs no limits. NOT_FOUND when unknown.
 */
export async function updatePodSandboxResources(
  deps: CriDeps,
  request: UpdatePodSandboxResourcesRequest__Output,
  ctx: CallContext,
): Promise<UpdatePodSandboxResourcesResponse> {
  const sandbox = sandboxOrThrow(await deps.mirror.current(ctx.signal), request.pod_sandbox_id);
  const { overhead, resources } = request;
  await deps.podLocks.run(
    sandbox.name,
    async () => {
      sandboxOrThrow(await deps.mirror.current(ctx.signal), sandbox.id); // it may have gone meanwhile
      await deps.podResources.set(sandbox.id, {
        ...podResourcesOf(deps, sandbox),
        ...(overhead && { overhead }),
        ...(resources && { resources }),
      });
    },
    ctx.signal,
  );
  return {};
}

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
