import type { Container } from '../../gen/nri/pkg/api/v1alpha1/Container.js';
import type { PodSandbox } from '../../gen/nri/pkg/api/v1alpha1/PodSandbox.js';
import { Owners } from '../../nri/merge/owners.js';
import { UpdateMerge } from '../../nri/merge/updates.js';
import type { ContainerRecord } from '../../state/records.js';
import { messageOf } from '../../util/cri-error.js';
import type { NriDeps } from './deps.js';
import { describeContainer } from './describe-container.js';
import { describeLostPod, describePod } from './describe-pod.js';
import { updateOthers } from './updates.js';

/** What plugins are told of a container's events. */
export interface ContainerRequest {
  readonly pod: PodSandbox;
  readonly container: Container;
}

/** The container and its pod, which may be gone, as plugins see them. */
export async function containerRequest(deps: NriDeps, container: ContainerRecord): Promise<ContainerRequest> {
  const sandbox = deps.mirror.lastKnown.sandboxes.get(container.sandboxId);
  const pod = sandbox === undefined ? describeLostPod(container.sandboxId) : describePod(deps, sandbox);
  return { pod, container: await describeContainer(deps, container, sandbox) };
}

/** Tells plugins that a container is about to start. Throws UNKNOWN when one refuses. */
export function tellStart(deps: NriDeps, container: ContainerRecord): Promise<void> | undefined {
  const { nri } = deps;
  if (nri.isIdle) return undefined;
  return nri.plugins.turn(async () => {
    const request = await containerRequest(deps, container);
    await nri.plugins.tell('StartContainer', () => request);
  });
}

/** Tells them of what has been done. */
export function tellDone(
  deps: NriDeps,
  event: 'PostCreateContainer' | 'PostStartContainer' | 'PostUpdateContainer',
  container: ContainerRecord,
): Promise<void> | undefined {
  const { nri } = deps;
  if (!nri.plugins.wants(event)) return undefined;
  return orLogged(deps, event, container, () =>
    nri.plugins.turn(async () => {
      const request = await containerRequest(deps, container);
      await nri.plugins.tell(event, () => request);
    }),
  );
}

/** Tells them, once, that a container has ended; they may change others' limits then. */
export function tellStopped(deps: NriDeps, container: ContainerRecord): Promise<void> | undefined {
  const { nri } = deps;
  if (nri.isIdle) return undefined;
  const updates = new UpdateMerge(new Owners());
  return orLogged(deps, 'StopContainer', container, async () => {
    await nri.plugins.turn(async () => {
      if (!nri.told.stops(container.id)) return;
      const request = await containerRequest(deps, container);
      await nri.plugins.tell(
        'StopContainer',
        () => request,
        ({ name }, { update }) => updates.add(name, update),
      );
    });
    await updateOthers(deps, updates.others(), container.sandboxId);
  });
}

/** Tells them, once, that a container is gone, and before that it has ended. */
export function tellGone(deps: NriDeps, container: ContainerRecord): Promise<void> | undefined {
  const { nri } = deps;
  if (nri.isIdle) return undefined;
  return orLogged(deps, 'RemoveContainer', container, async () => {
    await tellStopped(deps, container);
    await nri.plugins.turn(async () => {
      if (!nri.told.goes(container.id)) return;
      const request = await containerRequest(deps, container);
      await nri.plugins.tell('RemoveContainer', () => request);
    });
  });
}

/** What cannot be undone any more goes on. */
async function orLogged(
  { log }: NriDeps,
  event: string,
  { id: containerId }: ContainerRecord,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.warn('an NRI plugin refuses what has happened', { event, containerId, error: messageOf(error) });
  }
}
