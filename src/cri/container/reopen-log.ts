import type { ReopenContainerLogRequest__Output } from '../../gen/runtime/v1/ReopenContainerLogRequest.js';
import type { ReopenContainerLogResponse } from '../../gen/runtime/v1/ReopenContainerLogResponse.js';
import { isAlive } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError } from '../../util/cri-error.js';
import { logModeOf } from './log.js';
import type { CriDeps } from '../deps.js';
import { containerOrThrow } from '../lookup.js';

/**
 * Goes on in a new file at the log's path, after the kubelet has renamed the old one (CRI: ReopenContainerLog). After an
 * error there is no new file: the kubelet renames the old one back. FAILED_PRECONDITION for a container that does not
 * run, unless there is a new file already, and for one whose log is a link to Docker's own file.
 */
export async function reopenContainerLog(
  deps: Pick<CriDeps, 'logs' | 'mirror'>,
  request: ReopenContainerLogRequest__Output,
  ctx: CallContext,
): Promise<ReopenContainerLogResponse> {
  const container = containerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  if (!isAlive(container) && !deps.logs.awaitsReopen(container.id)) {
    throw new CriError(Code.FAILED_PRECONDITION, `container_id: container ${container.id} does not run`);
  }
  if (logModeOf(container) !== 'cri') {
    throw new CriError(
      Code.FAILED_PRECONDITION,
      `container_id: the log of container ${container.id} is not written by cridock and cannot be rotated`,
    );
  }
  await deps.logs.reopen(container.id);
  return {};
}
