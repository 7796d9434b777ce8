import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import type { NriHost } from '../../nri/nri.js';
import { podLockKey } from '../../state/picture.js';
import { messageOf } from '../../util/cri-error.js';
import { isHalfMade, removeHalfMade, type AdjustDeps } from './adjust-container.js';
import type { NriDeps } from './deps.js';
import { describeContainer } from './describe-container.js';
import { describePod } from './describe-pod.js';
import { tellGone, tellStopped } from './tell-containers.js';
import { tellPodGone, tellPodStops } from './tell-pods.js';
import { evictAll, updateAll } from './updates.js';

/** The node, as plugins learn of it and change it. To be made before the mirror starts. */
export function nriHost(deps: NriDeps): NriHost {
  const ready = new Promise<void>((resolve) => deps.mirror.subscribe({ onResync: () => resolve() }));
  return {
    ready,
    state: async () => {
      const { sandboxes, containers } = await deps.mirror.current();
      const pods = [...sandboxes.values()].filter(({ name }) => !deps.nri.making.has(name));
      const alive = [...containers.values()].filter(
        ({ phase }) => phase.state !== ContainerState.CONTAINER_EXITED,
      );
      return {
        pods: pods.map((pod) => describePod(deps, pod)),
        containers: await Promise.all(
          alive.map((container) => describeContainer(deps, container, sandboxes.get(container.sandboxId))),
        ),
      };
    },
    update: (updates) => updateAll(deps, updates, undefined),
    evict: (evictions) => evictAll(deps, evictions),
  };
}

/**
 * Removes what a crash has left half made: plugins were to be asked about it. Nobody sees it until then. To be set up before the
 * mirror starts.
 */
export function clearHalfMade(deps: AdjustDeps): void {
  const { mirror, podLocks, log } = deps;
  const clear = async (id: string, lock: string): Promise<void> => {
    await podLocks.run(lock, async () => {
      const now = mirror.lastKnown.get(id); // another call may have removed it
      if (now !== undefined && isHalfMade(deps, now)) await removeHalfMade(deps, now);
    });
  };
  let isFirst = true;
  mirror.subscribe({
    onResync: () => {
      if (!isFirst) return;
      isFirst = false;
      const picture = mirror.lastKnown;
      for (const container of [...picture.containers.values()].filter((one) => isHalfMade(deps, one))) {
        mirror.hide(container);
        void clear(container.id, podLockKey(picture, container)).catch((error: unknown) => {
          const { id: containerId } = container;
          log.warn('a container stays half made', { containerId, error: messageOf(error) });
        });
      }
    },
  });
}

/** Forgets what plugins wanted of containers that are gone: removed while cridock was away, or by others. */
export function forgetAdjustments(
  deps: Pick<AdjustDeps, 'log' | 'mirror' | 'nriAdjustments' | 'podLocks'>,
): void {
  const { mirror, nriAdjustments, podLocks, log } = deps;
  const forget = async (containerId: string, lock: string): Promise<void> => {
    try {
      await podLocks.run(lock, async () => {
        if ((await mirror.refresh(containerId)) === undefined) await nriAdjustments.delete(containerId);
      });
    } catch (error) {
      log.error('what plugins wanted of a container that is gone stays', {
        containerId,
        error: messageOf(error),
      });
    }
  };
  mirror.subscribe({
    onResync: (_reason, _corrected, present) => {
      for (const id of nriAdjustments.ids()) if (!present.has(id)) void forget(id, id);
    },
    onChange: ({ before, after }) => {
      if (before?.kind !== 'container' || after !== undefined) return;
      if (nriAdjustments.get(before.id) === undefined) return; // a removal costs nothing more where plugins wanted nothing
      void forget(before.id, podLockKey(mirror.lastKnown, before));
    },
  });
}

/** Tells plugins of what happens without a call of the CRI: containers that end by themselves, and what others remove. */
export function tellPluginsOfChanges(deps: NriDeps): void {
  deps.mirror.subscribe({
    onChange: ({ before, after }) => {
      if (deps.nri.isIdle) return;
      const record = after ?? before;
      if (record?.kind === 'container') {
        const hasEnded = record.phase.state === ContainerState.CONTAINER_EXITED;
        if (after === undefined) void tellGone(deps, record);
        else if (hasEnded) void tellStopped(deps, record);
      } else if (record?.kind === 'sandbox' && after === undefined) {
        void tellPodStops(deps, record);
        void tellPodGone(deps, record);
      }
    },
  });
}
