import type { RemovePodSandboxRequest__Output } from '../../gen/runtime/v1/RemovePodSandboxRequest.js';
import type { RemovePodSandboxResponse } from '../../gen/runtime/v1/RemovePodSandboxResponse.js';
import type { SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { removeOneContainer, type RemoveContainerDeps } from '../container/remove.js';
import type { CriDeps } from '../deps.js';
import { unlessGone } from '../../util/cri-error.js';
import { tellPodGone } from '../nri/tell-pods.js';
import { reclaimVanishedSandbox, type ReclaimDeps } from './reclaim.js';
import { stopSandbox, type StopSandboxDeps } from './stop.js';
import { underPodLock } from './under-lock.js';

/** What it takes to remove a sandbox. */
export type RemoveSandboxDeps = Pick<
  CriDeps,
  'checkpoints' | 'engine' | 'mirror' | 'podLocks' | 'podResources'
> &
  ReclaimDeps &
  StopSandboxDeps &
  RemoveContainerDeps;

/**
 * Removes the pod sandbox and all that is in it, by force (CRI: RemovePodSandbox). Success on unknown ids. While a
 * member or the network cannot be taken away the sandbox stays, so that a repeat can finish the work.
 */
export async function removePodSandbox(
  deps: RemoveSandboxDeps,
  request: RemovePodSandboxRequest__Output,
  ctx: CallContext,
): Promise<RemovePodSandboxResponse> {
  await underPodLock(deps, request.pod_sandbox_id, ctx.signal, {
    present: (sandbox) => removeSandbox(deps, sandbox, ctx.signal),
    gone: async (id) => {
      await removeMembers(deps, id, ctx.signal);
      await reclaimVanishedSandbox(deps, id, ctx.signal);
    },
  });
  return {};
}

/**
 * The work of RemovePodSandbox, under the pod's lock. The sandbox goes last: while anything of it cannot be removed it
 * stays, for a repeat. Who no longer finds it does not ask again.
 */
export async function removeSandbox(
  deps: RemoveSandboxDeps,
  sandbox: SandboxRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await stopSandbox(deps, sandbox, signal);
  await removeMembers(deps, sandbox.id, signal);
  await deps.checkpoints.remove(sandbox.id);
  await deps.podResources.delete(sandbox.id);
  await unlessGone(deps.engine.removeContainer(sandbox.id, { signal }));
  await tellPodGone(deps, sandbox);
  await deps.network.forget(sandbox.id);
  await deps.mirror.removed(sandbox.id);
}

/** Removes the containers of a pod, whose sandbox may be gone. */
async function removeMembers(
  deps: RemoveContainerDeps,
  sandboxId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const picture = await deps.mirror.current(signal);
  await Promise.all(picture.membersOf(sandboxId).map((member) => removeOneContainer(deps, member, signal)));
}
