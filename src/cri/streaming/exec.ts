import type { ExecRequest__Output } from '../../gen/runtime/v1/ExecRequest.js';
import type { ExecResponse } from '../../gen/runtime/v1/ExecResponse.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { requireCommand, runningContainerOrThrow } from '../lookup.js';
import { checkStreams } from './check-streams.js';

/** Prepares a command with streams and answers where to connect for it (CRI: Exec). It starts with the connection. */
export async function exec(
  deps: Pick<CriDeps, 'mirror' | 'streaming'>,
  request: ExecRequest__Output,
  ctx: CallContext,
): Promise<ExecResponse> {
  const { tty, stdin, stdout, stderr } = request;
  const cmd = requireCommand(request.cmd);
  checkStreams({ tty, stdin, stdout, stderr });
  const { id } = runningContainerOrThrow(await deps.mirror.current(ctx.signal), request.container_id);
  return { url: deps.streaming.urlFor({ kind: 'exec', containerId: id, cmd, tty, stdin, stdout, stderr }) };
}
