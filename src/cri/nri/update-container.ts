import { askedLimits, limitsOfCreation, type AskedLimits } from '../../convert/nri/asked-resources.js';
import { nriResources } from '../../convert/nri/resources.js';
import type { ContainerEviction } from '../../gen/nri/pkg/api/v1alpha1/ContainerEviction.js';
import { Owners } from '../../nri/merge/owners.js';
import { UpdateMerge } from '../../nri/merge/updates.js';
import type { ContainerRecord } from '../../state/records.js';
import type { NriDeps } from './deps.js';
import { containerRequest, tellDone } from './tell-containers.js';
import { evictAll, updateOthers } from './updates.js';

/**
 * Asks plugins about new limits of a container before `work`, which sets those that they leave, and tells them afterwards. Throws
 * UNKNOWN when one refuses, FAILED_PRECONDITION where two set the same.
 */
export async function updateByPlugins(
  deps: NriDeps,
  container: ContainerRecord,
  asked: AskedLimits,
  work: (limits: AskedLimits) => Promise<void>,
): Promise<void> {
  const { nri } = deps;
  if (nri.isIdle) return work(asked);
  const limits = nri.plugins.wants('UpdateContainer') ? await changed(deps, container, asked) : asked;
  await work(limits);
  await tellDone(
    deps,
    'PostUpdateContainer',
    deps.mirror.lastKnown.containers.get(container.id) ?? container,
  );
}

async function changed(deps: NriDeps, container: ContainerRecord, asked: AskedLimits): Promise<AskedLimits> {
  const { nri } = deps;
  const updates = new UpdateMerge(new Owners());
  updates.begin(container.id, nriResources(asked.linux));
  const evictions: ContainerEviction[] = [];
  await nri.plugins.turn(async () => {
    const request = await containerRequest(deps, container);
    await nri.plugins.tell(
      'UpdateContainer',
      () => ({ ...request, linux_resources: updates.resourcesOf(container.id) }),
      ({ name }, { update, evict }) => {
        updates.add(name, update);
        evictions.push(...evict);
      },
    );
  });
  await evictAll(deps, evictions);
  await updateOthers(deps, updates.others(container.id), container.sandboxId);
  const resources = updates.resourcesOf(container.id);
  const [odd] = limitsOfCreation(resources);
  if (odd !== undefined) deps.log.warn('a limit can be given to new containers only', { limit: odd });
  const { linux, beside } = askedLimits(resources, false);
  return { linux: { ...linux, oom_score_adj: asked.linux.oom_score_adj }, beside };
}
