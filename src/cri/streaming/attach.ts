import type { AttachRequest__Output } from '../../gen/runtime/v1/AttachRequest.js';
import type { AttachResponse } from '../../gen/runtime/v1/AttachResponse.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { runningContainerOrThrow } from '../lookup.js';
import { checkStreams } from './check-streams.js';

/** Answers where to connect for the streams of a running container's first process (CRI: Attach). */
export async function attach(
  deps: Pick<CriDeps, 'mirror' | 'streaming'>,
  request: AttachRequest__Output,
  ctx: CallContext,
): Promise<AttachResponse> {
  const { tty, stdin, stdout, stderr } = request;
  checkStreams({ tty, stdin, stdout, stderr });
  const { id } = runningContainerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  return { url: deps.streaming.urlFor({ kind: 'attach', containerId: id, tty, stdin, stdout, stderr }) };
}
