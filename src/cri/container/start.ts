import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import type { StartContainerRequest__Output } from '../../gen/runtime/v1/StartContainerRequest.js';
import type { StartContainerResponse } from '../../gen/runtime/v1/StartContainerResponse.js';
import { linkDockerLog } from '../../logs/docker-log-link.js';
import { makePodSysfsWritable } from '../../node/pod-sysfs.js';
import { isAlive, isHostNetwork, type ContainerRecord, type ObjectRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import type { NriDeps } from '../nri/deps.js';
import { tellDone, tellStart } from '../nri/tell-containers.js';
import { logModeOf, logSourceOf } from './log.js';
import type { CriDeps } from '../deps.js';
import { containerOrThrow } from '../lookup.js';
import { podLockKey } from '../../state/picture.js';
import { isCompanionRuntime } from '../../convert/companion/runtime-names.js';
import { needsSettingAfterwards } from '../../limits/limits-before-start.js';
import { startMember } from '../companion/start.js';
import { holdNodeLimits, nodeLimitsOf, setHeldLimits } from '../../limits/node-limits.js';

/** What it takes to start a container. */
export type StartContainerDeps = Pick<
  CriDeps,
  | 'companion'
  | 'engine'
  | 'heldLimits'
  | 'log'
  | 'logs'
  | 'mirror'
  | 'nriAdjustments'
  | 'podLocks'
  | 'restores'
> &
  NriDeps;

/**
 * Starts a created container (CRI: StartContainer). A repeat for a container that runs is a success; one that has ended
 * is never started again (FAILED_PRECONDITION), though Docker would.
 */
export async function startContainer(
  deps: StartContainerDeps,
  request: StartContainerRequest__Output,
  ctx: CallContext,
): Promise<StartContainerResponse> {
  const picture = await deps.mirror.current(ctx.signal);
  const container = containerOrThrow(picture, request.container_id);
  await deps.podLocks.run(podLockKey(picture, container), () => start(deps, container.id, ctx), ctx.signal);
  return {};
}

async function start(deps: StartContainerDeps, id: string, ctx: CallContext): Promise<void> {
  const container = containerOrThrow(await deps.mirror.current(ctx.signal), id);
  if (isAlive(container)) {
    await setHeldLimits(deps, container); // those that an earlier call did not get to
    return;
  }
  if (container.phase.state !== ContainerState.CONTAINER_CREATED) {
    throw new CriError(
      Code.FAILED_PRECONDITION,
      `container_id: container ${id} has ended (${container.phase.reason}) and is not started again`,
    );
  }
  await tellStart(deps, container);
  await prepareSysfs(deps, container);
  await holdLimits(deps, container);
  const log = prepareLog(deps, container);
  const started = await deps.mirror
    .during(container.name, () => startAndRead(deps, container, ctx.signal))
    .finally(() => log);
  if (started?.kind !== 'container') return;
  if (logModeOf(started) === 'symlink') {
    await reportLog(deps, started, linkDockerLog(started.labels.logPath, started.inspect.LogPath ?? ''));
  }
  if (isAlive(started)) await setLimitsOrStop(deps, started);
  await tellDone(deps, 'PostStartContainer', started);
}

async function startAndRead(
  deps: StartContainerDeps,
  container: ContainerRecord,
  signal: AbortSignal,
): Promise<ObjectRecord | undefined> {
  try {
    await startMember(deps, container, signal);
  } catch (error) {
    // Docker keeps such a container as "created" with an error, which CRI calls exited.
    await deps.mirror.refresh(container.id);
    throw error;
  }
  return deps.mirror.reach(container.id, ({ status }) => status !== 'created');
}

/** Those that the companion runtime has set before the program runs are not written again. */
async function holdLimits(deps: StartContainerDeps, container: ContainerRecord): Promise<void> {
  const limits = nodeLimitsOf(deps, container);
  const isSetBefore = isCompanionRuntime(container.inspect.HostConfig.Runtime);
  if (isSetBefore && !(await needsSettingAfterwards(limits))) return;
  await holdNodeLimits(deps, container, limits);
}

/** A container must not run with less confinement than was asked for. */
async function setLimitsOrStop(deps: StartContainerDeps, container: ContainerRecord): Promise<void> {
  try {
    await setHeldLimits(deps, container);
  } catch (error) {
    const now = await deps.mirror.refresh(container.id);
    if (now === undefined || !isAlive(now)) return; // it has ended by itself meanwhile: nothing is left to confine
    await deps.engine.stopContainer(container.id, 0);
    await deps.mirror.refresh(container.id);
    throw error;
  }
}

/** A privileged container may write to /sys of its pod's network, as with other runtimes. It starts without that, too. */
async function prepareSysfs(deps: StartContainerDeps, container: ContainerRecord): Promise<void> {
  if (container.inspect.HostConfig.Privileged !== true) return;
  const sandbox = deps.mirror.lastKnown.sandboxes.get(container.sandboxId);
  if (sandbox === undefined || isHostNetwork(sandbox) || sandbox.pid === 0) return;
  try {
    await makePodSysfsWritable(sandbox.pid);
  } catch (error) {
    const { id: containerId } = container;
    deps.log.warn('/sys of a privileged container is read-only', { containerId, error: messageOf(error) });
  }
}

/** The kubelet looks for the file as soon as the container runs. */
async function prepareLog(deps: Pick<CriDeps, 'log' | 'logs'>, container: ContainerRecord): Promise<void> {
  const source = logSourceOf(container);
  if (source !== undefined) await reportLog(deps, container, deps.logs.prepare(source));
}

/** A log that cannot be made must not keep a container from running, or hide that it runs: it is reported, not thrown. */
async function reportLog(
  deps: Pick<CriDeps, 'log'>,
  container: ContainerRecord,
  work: Promise<void>,
): Promise<void> {
  const { logPath } = container.labels;
  try {
    await work;
  } catch (error) {
    deps.log.warn('no log for this container', {
      containerId: container.id,
      logPath,
      error: messageOf(error),
    });
  }
}
