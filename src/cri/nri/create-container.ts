import type { ContainerEviction } from '../../gen/nri/pkg/api/v1alpha1/ContainerEviction.js';
import type { ContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { adjustedView } from '../../nri/merge/adjusted-view.js';
import { AdjustmentMerge } from '../../nri/merge/adjustment.js';
import { Owners } from '../../nri/merge/owners.js';
import { UpdateMerge } from '../../nri/merge/updates.js';
import { Code, CriError, unlessGone } from '../../util/cri-error.js';
import { adjustContainer, type AdjustDeps } from './adjust-container.js';
import { containerRequest, tellDone, tellGone, type ContainerRequest } from './tell-containers.js';
import { evictAll, updateOthers } from './updates.js';

/** That plugins will be asked about a new container, and whether they may adjust it beside refusing it. */
export interface PluginsAsked {
  readonly mayAdjust: boolean;
}

/**
 * Has a container created with this Docker name, and plugins asked about it, before anybody sees it; nothing of it stays when one
 * refuses. `create` answers the id of a container that bears the mark that plugins are to be asked about it, if they are. Throws the
 * signal's reason when it aborts before there is a container.
 */
export async function createWithPlugins(
  deps: AdjustDeps,
  name: string,
  create: (asked: PluginsAsked | undefined) => Promise<string>,
  signal?: AbortSignal,
): Promise<string> {
  const { nri, mirror } = deps;
  await nri.plugins.gate.enter(signal);
  try {
    if (nri.isIdle) return await create(undefined);
    mirror.conceal(name);
    try {
      const mayAdjust = nri.plugins.wants('CreateContainer');
      const isAsked = mayAdjust || nri.plugins.wants('ValidateContainerAdjustment');
      const id = await create(isAsked ? { mayAdjust } : undefined);
      await orRemoved(deps, id, () => askAll(deps, id));
      return id;
    } finally {
      mirror.reveal(name);
    }
  } finally {
    nri.plugins.gate.leave();
  }
}

/** What comes after it is seen. */
export async function tellCreated(deps: AdjustDeps, id: string): Promise<void> {
  if (!deps.nri.plugins.wants('PostCreateContainer')) return;
  const container = (await deps.mirror.current()).containers.get(id);
  if (container !== undefined) await tellDone(deps, 'PostCreateContainer', container);
}

async function askAll(deps: AdjustDeps, id: string): Promise<void> {
  const { nri, mirror } = deps;
  const container = mirror.lastKnown.get(id) ?? (await mirror.refresh(id));
  if (container?.kind !== 'container') {
    throw new CriError(Code.UNKNOWN, `container ${id} vanished while it was being made`);
  }
  const owners = new Owners();
  const adjustments = new AdjustmentMerge(id, owners);
  const updates = new UpdateMerge(owners, id);
  const evictions: ContainerEviction[] = [];
  await nri.plugins.turn(async () => {
    const request = await containerRequest(deps, container);
    nri.told.made(id);
    await nri.plugins.tell(
      'CreateContainer',
      () => ({ ...request, container: adjustedView(request.container, adjustments.merged) }),
      ({ name }, { adjust, update, evict }) => {
        if (adjust !== null) adjustments.add(name, adjust);
        updates.add(name, update);
        evictions.push(...evict);
      },
    );
    await judge(deps, request, adjustments.merged, updates, owners);
  });
  await adjustContainer(deps, container, adjustments.merged);
  await evictAll(deps, evictions);
  await updateOthers(deps, updates.others(), container.sandboxId);
}

/** Has plugins that judge have their word on what the others want. Throws when one rejects it, or fails to say. */
async function judge(
  { nri }: AdjustDeps,
  { pod, container }: ContainerRequest,
  adjust: ContainerAdjustment,
  updates: UpdateMerge,
  owners: Owners,
): Promise<void> {
  const judges = nri.plugins.all.filter((plugin) => plugin.wants('ValidateContainerAdjustment'));
  const request = {
    ...{ pod, container, adjust },
    update: updates.others(),
    owners: owners.message(),
    plugins: nri.plugins.all.map(({ identity }) => ({ name: identity.base, index: identity.index })),
  };
  await Promise.all(
    judges.map(async (plugin) => {
      const { reject, reason } = await plugin.judge('ValidateContainerAdjustment', request);
      if (!reject) return;
      throw new CriError(
        Code.FAILED_PRECONDITION,
        `NRI plugin ${plugin.name} rejects the container${reason === '' ? '' : `: ${reason}`}`,
      );
    }),
  );
}

async function orRemoved(deps: AdjustDeps, id: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const container = deps.mirror.lastKnown.get(id);
    await unlessGone(deps.engine.removeContainer(id));
    await deps.heldLimits.delete(id);
    await deps.nriAdjustments.delete(id);
    if (container?.kind === 'container') await tellGone(deps, container);
    await deps.mirror.removed(id);
    throw error;
  }
}
