import type { StopPodSandboxRequest__Output } from '../../gen/runtime/v1/StopPodSandboxRequest.js';
import type { StopPodSandboxResponse } from '../../gen/runtime/v1/StopPodSandboxResponse.js';
import { isHostNetwork, mayRun, type ObjectRecord, type SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { allDone } from '../../util/concurrency.js';
import { unlessGone } from '../../util/cri-error.js';
import type { NriDeps } from '../nri/deps.js';
import { tellStopped } from '../nri/tell-containers.js';
import { tellPodStops } from '../nri/tell-pods.js';
import { detachSandbox, netnsPaths, type DetachDeps } from './network.js';
import { reclaimVanishedSandbox, type ReclaimDeps } from './reclaim.js';
import { underPodLock } from './under-lock.js';

/** What it takes to stop a sandbox. */
export type StopSandboxDeps = NriDeps & ReclaimDeps & DetachDeps;

/**
 * Stops everything in the pod, then takes its network away while the sandbox itself is stopped (CRI: StopPodSandbox).
 * Success on unknown ids and on repeats; a repeat tries again what failed before.
 */
export async function stopPodSandbox(
  deps: StopSandboxDeps,
  request: StopPodSandboxRequest__Output,
  ctx: CallContext,
): Promise<StopPodSandboxResponse> {
  await underPodLock(deps, request.pod_sandbox_id, ctx.signal, {
    present: (sandbox) => stopSandbox(deps, sandbox, ctx.signal),
    gone: async (id) => {
      await stopMembers(deps, id, ctx.signal);
      await reclaimVanishedSandbox(deps, id, ctx.signal);
    },
  });
  return {};
}

/** The work of StopPodSandbox, under the pod's lock. */
export async function stopSandbox(
  deps: StopSandboxDeps,
  sandbox: SandboxRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await stopMembers(deps, sandbox.id, signal);
  await tellPodStops(deps, sandbox);
  // Plugins find the namespace, though the process that it was made for ends meanwhile; also when they are called again.
  const paths = isHostNetwork(sandbox) ? [] : netnsPaths(sandbox);
  await deps.podNamespaces.with(sandbox.id, paths, async (netnsPath) => {
    await allDone([detachSandbox(deps, sandbox, netnsPath, signal), kill(deps, sandbox, signal)]);
  });
}

/** Stops the containers of a pod, whose sandbox may be gone: it was removed by hand, they were not. */
async function stopMembers(deps: NriDeps, sandboxId: string, signal: AbortSignal | undefined): Promise<void> {
  const picture = await deps.mirror.current(signal);
  const ends = picture.membersOf(sandboxId).map(async (member) => {
    await kill(deps, member, signal);
    await tellStopped(deps, deps.mirror.lastKnown.containers.get(member.id) ?? member);
  });
  await Promise.all(ends);
}

/** CRI: running containers of a sandbox that is stopped are terminated by force. */
async function kill(
  deps: Pick<CriDeps, 'engine' | 'mirror'>,
  record: ObjectRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!mayRun(record)) return;
  await unlessGone(deps.engine.stopContainer(record.id, 0, { signal }));
  await deps.mirror.refresh(record.id, (now) => !mayRun(now));
}
