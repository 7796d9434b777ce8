import { requireInteger } from '../../convert/text/validate.js';
import type { StopContainerRequest__Output } from '../../gen/runtime/v1/StopContainerRequest.js';
import type { StopContainerResponse } from '../../gen/runtime/v1/StopContainerResponse.js';
import { isAlive } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { findContainer } from '../lookup.js';
import { unlessGone } from '../../util/cri-error.js';

/** Docker takes the grace period as a 32-bit number of seconds. */
const LONGEST_GRACE_SECONDS = 2 ** 31 - 1;

/**
 * Sends the stop signal and, after `timeout` seconds of grace, SIGKILL; 0 kills at once (CRI: StopContainer). Success
 * on unknown and on ended containers. Takes no lock: a second call with less grace cuts the first one short.
 */
export async function stopContainer(
  deps: Pick<CriDeps, 'engine' | 'mirror'>,
  request: StopContainerRequest__Output,
  ctx: CallContext,
): Promise<StopContainerResponse> {
  const graceSeconds = requireInteger('timeout', request.timeout, 0, LONGEST_GRACE_SECONDS);
  const container = findContainer(await deps.mirror.current(ctx.signal), request.container_id);
  if (container === undefined || !isAlive(container)) return {};
  await unlessGone(deps.engine.stopContainer(container.id, graceSeconds, { signal: ctx.signal }));
  await deps.mirror.refresh(container.id);
  return {};
}
