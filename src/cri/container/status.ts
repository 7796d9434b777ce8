import type { ContainerStatusRequest__Output } from '../../gen/runtime/v1/ContainerStatusRequest.js';
import type { ContainerStatusResponse } from '../../gen/runtime/v1/ContainerStatusResponse.js';
import type { ContainerRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { EncodedReply } from '../../util/encoded-reply.js';
import { logModeOf, logProblemOf } from './log.js';
import type { CriDeps } from '../deps.js';
import { containerOrThrow } from '../lookup.js';
import { containerStatusOf } from '../replies/container-messages.js';

/** What it takes to tell a container's status. */
export type ContainerStatusDeps = Pick<CriDeps, 'heldLimits' | 'logs' | 'mirror' | 'statusReplies'>;

/** The status of a container (CRI: ContainerStatus). NOT_FOUND when unknown. Never asks the Engine. */
export async function containerStatus(
  deps: ContainerStatusDeps,
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

/** What `crictl inspect` shows besides the status. */
function verboseInfo(deps: Pick<CriDeps, 'logs'>, container: ContainerRecord): Record<string, unknown> {
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
