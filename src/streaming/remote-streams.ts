import type { Readable, Writable } from 'node:stream';
import type { TerminalSize } from '../docker/types.js';
import type { Outcome } from './outcome.js';

/** The client's side of an exec or attach session, whatever it is carried by. */
export interface RemoteStreams {
  /** What the client sends; undefined when it was not asked for. Ends when the client ends it. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Aborts when the client is gone or has been idle for too long. */
  readonly gone: AbortSignal;
  /** Calls back with the size of the client's terminal, now if it is known and at each change. */
  onResize(listener: (size: TerminalSize) => void): void;
  /** Ends the outputs, tells the outcome and closes; resolves when that has been handed to the system. */
  finish(outcome: Outcome): Promise<void>;
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
