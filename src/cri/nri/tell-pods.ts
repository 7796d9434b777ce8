import { nriResources } from '../../convert/nri/resources.js';
import type { UpdatePodSandboxResourcesRequest__Output } from '../../gen/runtime/v1/UpdatePodSandboxResourcesRequest.js';
import type { SandboxRecord } from '../../state/records.js';
import { messageOf } from '../../util/cri-error.js';
import type { NriDeps } from './deps.js';
import { describePod } from './describe-pod.js';

/** Does `make`, which makes a pod of this Docker name; where there are plugins nobody sees it before it calls `show`. */
export async function untilShown<T>(
  { nri, mirror }: Pick<NriDeps, 'nri' | 'mirror'>,
  name: string,
  make: (show: () => void) => Promise<T>,
): Promise<T> {
  const show = (): void => {
    nri.making.delete(name);
    mirror.reveal(name);
  };
  nri.making.add(name);
  if (!nri.isIdle) mirror.conceal(name);
  try {
    return await make(show);
  } finally {
    show();
  }
}

/**
 * Does the last of the work that makes a pod: tells plugins of it, and only then `show`s it, so that one that comes meanwhile
 * is told once. Throws UNKNOWN when a plugin refuses the pod, and the signal's reason when it aborts before one is told.
 */
export async function showPod(
  deps: NriDeps,
  sandbox: SandboxRecord,
  show: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { nri } = deps;
  await nri.plugins.gate.enter(signal);
  try {
    if (!nri.isIdle) {
      await nri.plugins.turn(async () => {
        nri.told.made(sandbox.id);
        await nri.plugins.tell('RunPodSandbox', () => ({ pod: describePod(deps, sandbox) }));
      });
    }
    show();
  } finally {
    nri.plugins.gate.leave();
  }
}

/** Tells plugins, once, that a pod ends: its containers have, and its network is still there. */
export function tellPodStops(deps: NriDeps, sandbox: SandboxRecord): Promise<void> | undefined {
  if (deps.nri.isIdle) return undefined;
  return tellEnd(deps, 'StopPodSandbox', sandbox, () => deps.nri.told.stops(sandbox.id));
}

/** Tells them, once, that it is gone. */
export function tellPodGone(deps: NriDeps, sandbox: SandboxRecord): Promise<void> | undefined {
  if (deps.nri.isIdle) return undefined;
  return tellEnd(deps, 'RemovePodSandbox', sandbox, () => deps.nri.told.goes(sandbox.id));
}

/** Tells them of new resources of a pod before `work`, which takes them over, and after it. Throws when a plugin refuses. */
export async function tellPodUpdate(
  deps: NriDeps,
  sandbox: SandboxRecord,
  { overhead, resources }: Pick<UpdatePodSandboxResourcesRequest__Output, 'overhead' | 'resources'>,
  work: () => Promise<void>,
): Promise<void> {
  const { nri } = deps;
  if (nri.isIdle) return work();
  const request = {
    pod: describePod(deps, sandbox),
    overhead_linux_resources: overhead && nriResources(overhead),
    linux_resources: resources && nriResources(resources),
  };
  await nri.plugins.turn(() => nri.plugins.tell('UpdatePodSandbox', () => request));
  await work();
  await tellEnd(deps, 'PostUpdatePodSandbox', sandbox, () => true);
}

/** What cannot be undone any more: an error is logged. */
async function tellEnd(
  deps: NriDeps,
  event: 'StopPodSandbox' | 'RemovePodSandbox' | 'PostUpdatePodSandbox',
  sandbox: SandboxRecord,
  isNews: () => boolean,
): Promise<void> {
  const { nri, log } = deps;
  try {
    await nri.plugins.turn(async () => {
      if (isNews()) await nri.plugins.tell(event, () => ({ pod: describePod(deps, sandbox) }));
    });
  } catch (error) {
    log.warn('an NRI plugin refuses what has happened', {
      event,
      podId: sandbox.id,
      error: messageOf(error),
    });
  }
}
