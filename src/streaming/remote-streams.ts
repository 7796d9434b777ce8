import type { Readable, Writable } from 'node:stream';
import type { TerminalSize } from '../docker/types.js';
import { Code, CriError } from '../util/cri-error.js';
import type { Outcome } from './outcome.js';

/** The client's side of an exec or attach session, whatever it is carried by. */
export interface RemoteStreams {
  /** What the client sends; undefined when it was not asked for. Ends when the client ends it. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Aborts when the session is over before its command: the client has gone, or we give it up, for the reason it tells. */
  readonly cut: AbortSignal;
  /** Calls back with the size of the client's terminal, now if it is known and at each change. */
  onResize(listener: (size: TerminalSize) => void): void;
  /** Ends the outputs, tells the outcome and closes; resolves when that has been handed to the system, or nobody is there. */
  finish(outcome: Outcome): Promise<void>;
}

/** What a client that is cut off gets to take the reason; one that reads nothing goes without. */
export const TELL_TIMEOUT_MS = 5_000;

/** Why a session is over whose client is no longer there. */
export function clientGone(): CriError {
  return new CriError(Code.CANCELLED, 'the client has gone');
}

/** Ends a stream, behind a last word if there is one, and waits until all of it has been handed on or it is destroyed. */
export async function endOf(stream: Writable | undefined, last = ''): Promise<void> {
  if (stream === undefined || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    stream.once('finish', resolve);
    stream.once('close', resolve);
    // An empty write would be a message of its own.
    if (last !== '') stream.write(last);
    stream.end();
  });
}
