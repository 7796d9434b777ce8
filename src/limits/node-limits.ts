import { join } from 'node:path';
import {
  NODE_LIMITS,
  NO_NODE_LIMITS,
  parseNodeLimits,
  readNodeLimits,
  type NodeLimits,
} from '../convert/limits/node-limits.js';
import { needsSetting } from './huge-page-limits.js';
import { setNodeLimits } from './set-limits.js';
import { isAlive, ownFact, type ContainerRecord } from '../state/records.js';
import { messageOf } from '../util/cri-error.js';
import { JsonStore } from '../state/json-store.js';
import type { Mirror } from '../state/mirror.js';
import type { KeyedMutex } from '../util/keyed-mutex.js';
import type { Logger } from '../util/log.js';
import { podLockKey } from '../state/picture.js';

/** Node limits that the container's label does not tell, or that may not be set yet. */
export interface HeldLimits {
  readonly limits: NodeLimits;
  /** False from before something makes them due until they are set: after a crash in between they are set at the next start. */
  readonly set: boolean;
}

/** What limits are kept, set and settled with. */
export interface NodeLimitsDeps {
  /** By container id. */
  readonly heldLimits: JsonStore<HeldLimits>;
  readonly mirror: Mirror;
  /** Keyed as `podLockKey`. */
  readonly podLocks: KeyedMutex;
  readonly log: Logger;
}

/** Reads a file of the store. Throws for anything else. */
export function readHeldLimits(value: unknown): HeldLimits {
  if (typeof value !== 'object' || value === null || !('limits' in value) || !('set' in value)) {
    throw new Error('no "limits" or no "set"');
  }
  return { limits: readNodeLimits(value.limits), set: value.set === true };
}

/** Where limits are kept, below cridock's root directory. */
export function heldLimitsStore(rootDirectory: string, log: Logger): JsonStore<HeldLimits> {
  return new JsonStore({
    dir: join(rootDirectory, 'limits'),
    read: readHeldLimits,
    log,
    outlasts: 'a crash',
  });
}

/**
 * After each full reading of the Engine: sets what a crash has left due, and forgets containers that are gone. After the first
 * one, when `isSealKeyNew`, it keeps what labels tell of older containers. Containers that go in between, also behind
 * cridock's back or after their removal was given up, are forgotten when the Engine tells so.
 */
export function settleLimits(deps: NodeLimitsDeps, isSealKeyNew: () => boolean): void {
  let isFirst = true;
  const settling = new Set<string>();
  deps.mirror.subscribe({
    onResync: () => {
      const isToKeep = isFirst && isSealKeyNew();
      isFirst = false;
      void (async () => {
        if (isToKeep) await keepLimitsOfUnsealed(deps);
        await settleHeldLimits(deps, settling);
      })().catch((error: unknown) => {
        deps.log.error('limits of older containers could not be kept', { error: messageOf(error) });
      });
    },
    onChange: ({ before, after }) => {
      if (before?.kind === 'container' && after === undefined) void forgetVanished(deps, before);
    },
  });
}

/** A failure is logged: the next full reading repeats it. */
async function forgetVanished(deps: NodeLimitsDeps, container: ContainerRecord): Promise<void> {
  const { id: containerId } = container;
  try {
    // After an update that is under way, which would note them once more.
    const key = podLockKey(deps.mirror.lastKnown, container);
    await deps.podLocks.run(key, () => deps.heldLimits.delete(containerId));
  } catch (error) {
    deps.log.error('limits of a container that is gone stay', { containerId, error: messageOf(error) });
  }
}

/** The limits that the container has, or will have once it is started, beside Docker's. */
export function nodeLimitsOf(
  deps: Pick<NodeLimitsDeps, 'heldLimits'>,
  container: ContainerRecord,
): NodeLimits {
  const held = deps.heldLimits.get(container.id);
  return held === undefined ? limitsAtCreation(container) : held.limits;
}

/** Notes the limits as due, unless nothing has to be set: from now on a crash of cridock leaves them to its next start. */
export async function holdNodeLimits(
  deps: Pick<NodeLimitsDeps, 'heldLimits'>,
  container: ContainerRecord,
  limits: NodeLimits,
): Promise<void> {
  const isTold = JSON.stringify(limits) === JSON.stringify(nodeLimitsOf(deps, container));
  if (isTold && !(await needsSetting(limits))) return;
  await deps.heldLimits.set(container.id, { limits, set: false });
}

/** Sets what is due for a container that runs. Throws as `setNodeLimits`. */
export async function setHeldLimits(
  deps: Pick<NodeLimitsDeps, 'heldLimits' | 'mirror'>,
  container: ContainerRecord,
): Promise<void> {
  const held = deps.heldLimits.get(container.id);
  if (held === undefined || held.set) return;
  const { info } = await deps.mirror.currentFacts();
  await setNodeLimits(container, held.limits, info.CgroupVersion === '2' ? 2 : 1);
  // What the label tells too needs no file.
  if (JSON.stringify(held.limits) === ownFact(container, NODE_LIMITS))
    await deps.heldLimits.delete(container.id);
  else await deps.heldLimits.set(container.id, { ...held, set: true });
}

/**
 * Failures are logged, and tried again after the next resync. Those of one container, whose pod may be busy for long, hold up no
 * others; `settling` has the ids of containers that a resync before this one still waits for.
 */
async function settleHeldLimits(deps: NodeLimitsDeps, settling: Set<string>): Promise<void> {
  const ids = deps.heldLimits.ids().filter((id) => !settling.has(id));
  await Promise.all(
    ids.map(async (id) => {
      settling.add(id);
      try {
        await settleLimitsOf(deps, id);
      } catch (error) {
        deps.log.error('limits of a container could not be set', {
          containerId: id,
          error: messageOf(error),
        });
      } finally {
        settling.delete(id);
      }
    }),
  );
}

async function settleLimitsOf(deps: NodeLimitsDeps, id: string): Promise<void> {
  const picture = await deps.mirror.current();
  const container = picture.containers.get(id);
  if (container === undefined) {
    if ((await deps.mirror.refresh(id)) === undefined) await deps.heldLimits.delete(id);
  } else if (isAlive(container)) {
    await deps.podLocks.run(podLockKey(picture, container), async () => {
      const now = deps.mirror.lastKnown.containers.get(id); // it may have ended or gone meanwhile
      if (now !== undefined && isAlive(now)) await setHeldLimits(deps, now);
    });
  }
}

function limitsAtCreation(container: ContainerRecord): NodeLimits {
  return limitsIn(ownFact(container, NODE_LIMITS));
}

/** Text that cannot be read is somebody else's doing; the container has what Docker set. */
function limitsIn(text: string | undefined): NodeLimits {
  try {
    return parseNodeLimits(text);
  } catch {
    return NO_NODE_LIMITS;
  }
}

/**
 * Keeps the limits of containers that were made before there was a key to seal them with: as they were told when the key was
 * made, and never again.
 */
async function keepLimitsOfUnsealed(deps: NodeLimitsDeps): Promise<void> {
  for (const container of deps.mirror.lastKnown.containers.values()) {
    const limits = limitsIn(container.labels.own[NODE_LIMITS]);
    const isNeeded = !container.sealed && limits !== NO_NODE_LIMITS;
    if (!isNeeded || deps.heldLimits.get(container.id) !== undefined) continue;
    await deps.heldLimits.set(container.id, { limits, set: isAlive(container) });
  }
}
