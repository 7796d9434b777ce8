import type { PortForwardRequest__Output } from '../../gen/runtime/v1/PortForwardRequest.js';
import type { PortForwardResponse } from '../../gen/runtime/v1/PortForwardResponse.js';
import type { SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';
import { sandboxOrThrow } from '../lookup.js';
import type { Picture } from '../../state/picture.js';

/** Answers where to connect for connections into a pod's network (CRI: PortForward). */
export async function portForward(
  deps: Pick<CriDeps, 'mirror' | 'streaming'>,
  request: PortForwardRequest__Output,
  ctx: CallContext,
): Promise<PortForwardResponse> {
  request.port.forEach((port, index) => {
    if (port < 1 || port > 65_535) throw invalidArgument(`port[${index}]`, 'must be between 1 and 65535');
  });
  const { id } = runningSandboxOrThrow(await deps.mirror.current(ctx.signal), request.pod_sandbox_id);
  return { url: deps.streaming.urlFor({ kind: 'portforward', sandboxId: id, ports: request.port }) };
}

/** The sandbox with this id or prefix, which must run: else FAILED_PRECONDITION. Throws as sandboxOrThrow besides. */
export function runningSandboxOrThrow(picture: Picture, id: string): SandboxRecord {
  const sandbox = sandboxOrThrow(picture, id);
  if (sandbox.status === 'running') return sandbox;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    `pod_sandbox_id: sandbox ${sandbox.id} is ${sandbox.status}, not running`,
  );
}
