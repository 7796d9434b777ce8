import { checkedUpdate } from '../../convert/nri/asked-resources.js';
import type { ContainerEviction } from '../../gen/nri/pkg/api/v1alpha1/ContainerEviction.js';
import type { ContainerUpdate } from '../../gen/nri/pkg/api/v1alpha1/ContainerUpdate.js';
import { mayRun } from '../../state/records.js';
import { podLockKey } from '../../state/picture.js';
import { messageOf, unlessGone } from '../../util/cri-error.js';
import { within } from '../../util/within.js';
import { changeLimits } from '../container/change-limits.js';
import type { NriDeps } from './deps.js';

/** So long an event waits for changes of other pods, which may wait for their own events; they go on by themselves. */
const LONGEST_WAIT_MS = 2_000;

/**
 * Changes limits as plugins ask for in the course of an event in `podId`, whose lock the caller has. What fails is logged. A
 * container that is not there any more needs no change.
 */
export async function updateOthers(
  deps: NriDeps,
  updates: readonly ContainerUpdate[],
  podId: string | undefined,
): Promise<void> {
  if (updates.length > 0) await updateAll(deps, updates, podId);
}

/** As `updateOthers`; answers those that failed and must not. */
export async function updateAll(
  deps: NriDeps,
  updates: readonly ContainerUpdate[],
  podId: string | undefined,
): Promise<ContainerUpdate[]> {
  const failed: ContainerUpdate[] = [];
  const work = Promise.all(
    updates.map(async (update) => {
      try {
        await updateOne(deps, update, podId);
      } catch (error) {
        const { container_id: containerId } = update;
        deps.log.warn('what an NRI plugin asks for cannot be done', { containerId, error: messageOf(error) });
        if (update.ignore_failure !== true) failed.push(update);
      }
    }),
  );
  await (podId === undefined ? work : within(LONGEST_WAIT_MS, work));
  return failed;
}

/** Ends containers that plugins want to have ended, without grace. What fails is logged. */
export async function evictAll(deps: NriDeps, evictions: readonly ContainerEviction[]): Promise<void> {
  const ends = evictions.map(async ({ container_id: id = '', reason }) => {
    const container = deps.mirror.lastKnown.containers.get(id);
    if (container === undefined || !mayRun(container)) return;
    deps.log.warn('an NRI plugin has a container evicted', { containerId: id, reason });
    try {
      await unlessGone(deps.engine.stopContainer(id, 0));
      await deps.mirror.refresh(id);
    } catch (error) {
      deps.log.warn('a container could not be evicted', { containerId: id, error: messageOf(error) });
    }
  });
  await Promise.all(ends);
}

async function updateOne(deps: NriDeps, update: ContainerUpdate, podId: string | undefined): Promise<void> {
  const { container_id: id = '', linux } = update;
  const picture = await deps.mirror.current();
  const container = picture.containers.get(id);
  if (container === undefined) return;
  const asked = checkedUpdate(linux?.resources ?? {});
  const work = async (): Promise<void> => {
    const now = deps.mirror.lastKnown.containers.get(id); // it may have gone meanwhile
    if (now !== undefined) await changeLimits(deps, now, asked);
  };
  await (container.sandboxId === podId ? work() : deps.podLocks.run(podLockKey(picture, container), work));
}
