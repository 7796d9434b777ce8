import { USER } from '../../convert/container/container-body.js';
import { IMAGE_VOLUMES, parseImageVolumes } from '../../convert/container/image-volume-mounts.js';
import { criMounts } from '../../convert/container/mounts.js';
import { criResources } from '../../convert/limits/resources.js';
import { signalNumber } from '../../convert/container/stop-signal.js';
import { containerUser } from '../../convert/security/user.js';
import type { ContainerStatus } from '../../gen/runtime/v1/ContainerStatus.js';
import type { ContainerStatusRequest__Output } from '../../gen/runtime/v1/ContainerStatusRequest.js';
import type { ContainerStatusResponse } from '../../gen/runtime/v1/ContainerStatusResponse.js';
import type { ContainerRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply } from '../../util/encoded-reply.js';
import { logModeOf, logProblemOf } from './log.js';
import type { CriDeps } from '../deps.js';
import { containerOrThrow } from '../lookup.js';
import { nodeLimitsOf } from '../../limits/node-limits.js';

/** The status of a container (CRI: ContainerStatus). NOT_FOUND when unknown. Never asks the Engine. */
export async function containerStatus(
  deps: CriDeps,
  request: ContainerStatusRequest__Output,
  ctx: CallContext,
): Promise<ContainerStatusResponse | EncodedReply> {
  const container = containerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  if (!request.verbose) return new EncodedReply(deps.statusReplies.container(container));
  return {
    status: containerStatusOf(deps, container),
    info: { info: JSON.stringify(verboseInfo(deps, container)) },
  };
}

/** The record in CRI's words. */
export function containerStatusOf(
  deps: Pick<CriDeps, 'heldLimits'>,
  container: ContainerRecord,
): ContainerStatus {
  const { id, metadata, labels, image, phase, inspect } = container;
  return {
    id,
    metadata,
    state: phase.state,
    created_at: String(container.createdAtNs),
    started_at: String(phase.startedAtNs),
    finished_at: String(phase.finishedAtNs),
    exit_code: phase.exitCode,
    reason: phase.reason,
    message: phase.message,
    image: { image: image.name },
    image_ref: image.ref,
    image_id: image.id,
    labels: labels.labels,
    annotations: labels.annotations,
    mounts: criMounts(inspect, parseImageVolumes(labels.own[IMAGE_VOLUMES])),
    log_path: labels.logPath,
    resources: { linux: criResources(inspect.HostConfig, nodeLimitsOf(deps, container)) },
    user: containerUser(labels.own[USER]),
    stop_signal: signalNumber(inspect.Config.StopSignal),
  };
}

/** What `crictl inspect` shows besides the status. */
function verboseInfo(deps: CriDeps, container: ContainerRecord): Record<string, unknown> {
  const { inspect } = container;
  return {
    sandboxID: container.sandboxId,
    pid: container.pid,
    dockerName: container.name,
    dockerState: inspect.State,
    logMode: logModeOf(container),
    logComplete: deps.logs.isComplete(container.id),
    logProblem: logProblemOf(deps, container),
    hostConfig: inspect.HostConfig,
  };
}
