import { memoryInForce } from '../../convert/limits/memory-limits.js';
import { mergeNodeLimits, type NodeLimits } from '../../convert/limits/node-limits.js';
import { clampOomScoreAdj, requireOomScoreAdj } from '../../convert/limits/oom-score.js';
import { updateResources } from '../../convert/limits/resources.js';
import { undoOf } from '../../convert/limits/resources-undo.js';
import type { AskedLimits } from '../../convert/nri/asked-resources.js';
import type { Resources } from '../../docker/types.js';
import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import { isAlive, type ContainerRecord } from '../../state/records.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';
import { KERNEL_PATHS, type KernelPaths } from '../../limits/container-cgroup.js';
import { checkMemoryUse } from '../../limits/memory-use.js';
import { holdNodeLimits, nodeLimitsOf, setHeldLimits } from '../../limits/node-limits.js';

/** What it takes to change the limits of a container that is there. */
export type ChangeLimitsDeps = Pick<CriDeps, 'engine' | 'heldLimits' | 'log' | 'mirror' | 'settings'>;

/**
 * Changes the limits of a created or running container, all of them or none, under its pod's lock. FAILED_PRECONDITION for one that
 * has ended, and for a memory limit below what a running one uses.
 */
export async function changeLimits(
  deps: ChangeLimitsDeps,
  container: ContainerRecord,
  { linux, beside }: AskedLimits,
  paths: KernelPaths = KERNEL_PATHS,
): Promise<void> {
  const { info } = await deps.mirror.currentFacts();
  const { id } = container;
  const { state } = container.phase;
  if (state !== ContainerState.CONTAINER_CREATED && state !== ContainerState.CONTAINER_RUNNING) {
    throw new CriError(Code.FAILED_PRECONDITION, `container_id: container ${id} has ended`);
  }
  const oomScoreAdj = requireOomScoreAdj('linux.oom_score_adj', linux.oom_score_adj);
  const cgroupVersion = info.CgroupVersion === '2' ? 2 : 1;
  const before = nodeLimitsOf(deps, container);
  const inForce = memoryInForce(container.inspect.HostConfig, before.cgroup);
  const { docker: asked, writes } = updateResources(linux, cgroupVersion, inForce);
  const docker = { ...asked, ...beside };
  const limits = mergeNodeLimits(before, docker, {
    cgroup: writes,
    oomScoreAdj: oomScoreAdj === 0 ? undefined : clampOomScoreAdj(oomScoreAdj, deps.settings.minOomScoreAdj),
  });
  if (cgroupVersion === 2 && isAlive(container)) {
    const { HostConfig: present } = container.inspect;
    const wanted = memoryInForce({ ...present, ...docker }, limits.cgroup);
    await checkMemoryUse(container, wanted, inForce, paths);
  }
  await holdNodeLimits(deps, container, limits);
  try {
    await updateInDocker(deps, id, docker);
    // Also those of before: an update by Docker sets the whole cgroup anew, as far as Docker knows it.
    if (isAlive(container)) await setHeldLimits(deps, container);
  } catch (error) {
    await undo(deps, container, undoOf(docker, container.inspect.HostConfig), before);
    throw error;
  } finally {
    await deps.mirror.refresh(id);
  }
}

/** Puts back what held before; Docker may have taken its part, or not. */
async function undo(
  deps: ChangeLimitsDeps,
  container: ContainerRecord,
  docker: Resources,
  before: NodeLimits,
): Promise<void> {
  try {
    await updateInDocker(deps, container.id, docker);
    await deps.heldLimits.set(container.id, { limits: before, set: false });
    if (isAlive(container)) await setHeldLimits(deps, container);
  } catch (error) {
    deps.log.error('a failed change of limits could not be undone', {
      containerId: container.id,
      error: messageOf(error),
    });
  }
}

/** Not given up half-way: what the Engine was asked, it does. */
async function updateInDocker(
  deps: Pick<CriDeps, 'engine'>,
  id: string,
  resources: Resources,
): Promise<void> {
  if (Object.keys(resources).length > 0) await deps.engine.updateContainer(id, resources);
}
