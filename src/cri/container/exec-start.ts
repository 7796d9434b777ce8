import type { Duplex } from 'node:stream';
import type { Engine } from '../../docker/engine.js';
import { Code, CriError } from '../../util/cri-error.js';

/** How long the start of a command is waited for once nobody wants it any more. */
const LATE_START_MS = 60_000;

/**
 * Starts a prepared command, and gives its connection. Once its `caller` has gone it is waited for a minute more, as what has been
 * started must come to hand, to be ended; then it is given up, or each try on an Engine that hangs would keep a connection.
 *
 * @throws as `Engine.startExec`; DEADLINE_EXCEEDED when it is given up
 */
export async function startExec(
  engine: Pick<Engine, 'startExec'>,
  execId: string,
  tty: boolean,
  caller: AbortSignal,
): Promise<Duplex> {
  const tooLate = new AbortController();
  let waiting: NodeJS.Timeout | undefined;
  const onGone = (): void => {
    waiting = setTimeout(() => tooLate.abort(notStarted()), LATE_START_MS);
  };
  if (caller.aborted) onGone();
  else caller.addEventListener('abort', onGone, { once: true });
  try {
    return await engine.startExec(execId, tty, { signal: tooLate.signal });
  } finally {
    clearTimeout(waiting);
    caller.removeEventListener('abort', onGone);
  }
}

function notStarted(): CriError {
  return new CriError(Code.DEADLINE_EXCEEDED, 'the Engine has not started the command in time');
}
