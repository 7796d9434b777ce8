import { USER } from '../../convert/container/container-body.js';
import { parseImageVolumes, IMAGE_VOLUMES } from '../../convert/container/image-volume-mounts.js';
import { criMounts } from '../../convert/container/mounts.js';
import { signalNumber } from '../../convert/container/stop-signal.js';
import { criResources } from '../../convert/limits/resources.js';
import { containerUser } from '../../convert/security/user.js';
import type { Container } from '../../gen/runtime/v1/Container.js';
import type { ContainerStats } from '../../gen/runtime/v1/ContainerStats.js';
import type { ContainerStatus } from '../../gen/runtime/v1/ContainerStatus.js';
import { nodeLimitsOf, type NodeLimitsDeps } from '../../limits/node-limits.js';
import { toldAdjustments } from '../../state/adjustments.js';
import type { ContainerRecord } from '../../state/records.js';

/** The record in CRI's words. */
export function containerStatusOf(
  deps: Pick<NodeLimitsDeps, 'heldLimits'>,
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
    mounts: criMounts(
      inspect,
      parseImageVolumes(labels.own[IMAGE_VOLUMES]),
      toldAdjustments(container).mounts,
    ),
    log_path: labels.logPath,
    resources: { linux: criResources(inspect.HostConfig, nodeLimitsOf(deps, container)) },
    user: containerUser(labels.own[USER]),
    stop_signal: signalNumber(inspect.Config.StopSignal),
  };
}

/**
 * One entry of the list. `created_at` is the same nanosecond figure as in ContainerStatus; `image_ref` is not the same: kubelets
 * before 1.30 compare it with Image.id to tell which images are in use, and shims of Docker have always had the id there.
 */
export function containerEntry(container: ContainerRecord): Container {
  return {
    id: container.id,
    pod_sandbox_id: container.sandboxId,
    metadata: container.metadata,
    image: { image: container.image.name },
    image_ref: container.image.id,
    image_id: container.image.id,
    state: container.phase.state,
    created_at: String(container.createdAtNs),
    labels: container.labels.labels,
    annotations: container.labels.annotations,
  };
}

/** The entry with nothing but what tells whose it is. */
export function containerAttributes({ id, metadata, labels }: ContainerRecord): ContainerStats {
  return { attributes: { id, metadata, labels: labels.labels, annotations: labels.annotations } };
}
