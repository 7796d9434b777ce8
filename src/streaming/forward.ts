import type { Duplex, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { LoopbackDialer } from '../network/netns-dialer.js';
import { ReadBuffer, readInto } from '../network/read-into.js';
import { ByteBudget } from '../util/byte-budget.js';
import { messageOf } from '../util/cri-error.js';
import { endOf } from './remote-streams.js';

const MAX_SPARE_BUFFERS = 64;
/** What the buffers of a session may grow by, together: room for sixteen busy connections. It can have two thousand. */
const MAX_GROWN_BYTES = 16 * 1024 * 1024;

/**
 * The buffers of a session's connections. Those of connections that have ended are kept for those to come: to allocate and
 * collect one for each takes a sixth of the time of a short connection.
 */
export class SessionBuffers {
  readonly #spare: Buffer[] = [];
  readonly #room = new ByteBudget(MAX_GROWN_BYTES);

  take(): ReadBuffer {
    return new ReadBuffer(this.#spare.pop(), this.#room);
  }

  /** `reusable` says that nobody reads any more what is in it. */
  giveBack(buffer: ReadBuffer, reusable: boolean): void {
    buffer.release();
    if (reusable && this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(buffer.first);
  }
}

/** One forwarded connection, as the client sees it. */
export interface ForwardedStreams {
  readonly data: Duplex;
  /** Gets the reason when the connection cannot be made, or breaks; ended in any case. */
  readonly error: Writable;
}

/**
 * Connects a client's streams with a port in the pod, until both sides have ended or one has broken. Each side's end is
 * passed on by itself. When `cut` aborts, the client is told its reason. Never rejects.
 */
export async function forward(
  dialer: LoopbackDialer,
  port: number,
  { data, error }: ForwardedStreams,
  cut: AbortSignal,
  buffers: SessionBuffers,
): Promise<void> {
  const buffer = buffers.take();
  // Errors of the client's side are its being gone, which its closing tells.
  data.on('error', () => undefined);
  error.on('error', () => undefined);
  let problem: string | undefined;
  let onCut = (): void => undefined;
  try {
    const onBytes = (bytes: Buffer): boolean => {
      // More is read once the client's side has handed these on.
      data.write(bytes, () => socket.resume());
      return false;
    };
    const socket = readInto(await dialer.connect(port), onBytes, buffer);
    const ended = finished(socket);
    onCut = () => void socket.destroy(cut.reason as Error);
    if (data.destroyed) socket.destroy();
    else if (cut.aborted) onCut();
    else cut.addEventListener('abort', onCut);
    data.once('close', () => {
      // The client gave up before it had sent or read everything.
      if (!data.readableEnded || !data.writableFinished) socket.destroy();
    });
    data.pipe(socket);
    socket.once('end', () => data.end());
    socket.resume();
    await ended;
  } catch (failure) {
    if (!data.destroyed) problem = `port ${port}: ${messageOf(failure)}`;
  }
  cut.removeEventListener('abort', onCut);
  const told = endOf(error, problem);
  // The rest of what the pod sent must not look like all of it.
  if (cut.aborted) data.destroy();
  await written(data);
  // Of a connection that broke, the system may still be sending what is in the buffer.
  buffers.giveBack(buffer, data.writableFinished);
  data.destroy();
  await told;
}

/** Waits until what the pod sent has been handed on. When its side broke, the writing side was never ended. */
async function written(data: Duplex): Promise<void> {
  if (data.destroyed || data.writableFinished) return;
  await new Promise<void>((resolve) => {
    data.once('finish', resolve);
    data.once('close', resolve);
    data.end();
  });
}
