import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import type { NriHost } from '../../nri/nri.js';
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

/** Removes what a crash has left half made: plugins were to be asked about it. To be set up before the mirror starts. */
export function clearHalfMade(deps: AdjustDeps): void {
  let isFirst = true;
  deps.mirror.subscribe({
    onResync: () => {
      if (!isFirst) return;
      isFirst = false;
      const { containers } = deps.mirror.lastKnown;
      for (const container of [...containers.values()].filter((one) => isHalfMade(deps, one))) {
        void removeHalfMade(deps, container.id).catch((error: unknown) => {
          const { id: containerId } = container;
          deps.log.warn('a container stays half made', { containerId, error: messageOf(error) });
        });
      }
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
