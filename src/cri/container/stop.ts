import { requireInteger } from '../../convert/text/validate.js';
import type { StopContainerRequest__Output } from '../../gen/runtime/v1/StopContainerRequest.js';
import type { StopContainerResponse } from '../../gen/runtime/v1/StopContainerResponse.js';
import { podLockKey } from '../../state/picture.js';
import { mayRun } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import type { NriDeps } from '../nri/deps.js';
import { tellStopped } from '../nri/tell-containers.js';
import { findContainer } from '../lookup.js';
import { unlessGone } from '../../util/cri-error.js';

/** Docker takes the grace period as a 32-bit number of seconds. */
const LONGEST_GRACE_SECONDS = 2 ** 31 - 1;

/**
 * Sends the stop signal and, after `timeout` seconds of grace, SIGKILL; 0 kills at once (CRI: StopContainer). Success
 * on unknown and on ended containers. One that is being started is stopped once it is. Takes no lock while it stops: a second
 * call with less grace cuts the first one short.
 */
export async function stopContainer(
  deps: NriDeps,
  request: StopContainerRequest__Output,
  ctx: CallContext,
): Promise<StopContainerResponse> {
  const graceSeconds = requireInteger('timeout', request.timeout, 0, LONGEST_GRACE_SECONDS);
  const picture = await deps.mirror.current(ctx.signal);
  const container = findContainer(picture, request.container_id);
  if (container === undefined) return {};
  if (container.status === 'created') {
    const startIsOver = (): Promise<void> => Promise.resolve();
    await deps.podLocks.run(podLockKey(picture, container), startIsOver, ctx.signal);
  } else if (!mayRun(container)) return {};
  // Nothing is done for one that does not run; of a start that an earlier cridock asked for the Engine knows.
  await unlessGone(deps.engine.stopContainer(container.id, graceSeconds, { signal: ctx.signal }));
  const ended = await deps.mirror.refresh(container.id, (record) => !mayRun(record));
  if (ended?.kind === 'container') await tellStopped(deps, ended);
  return {};
}
