import type { Duplex, Writable } from 'node:stream';
import { Demultiplexer } from '../docker/demux.js';
import type { OutputStream } from '../docker/demux.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { RemoteStreams } from './remote-streams.js';

/**
 * Looks at a piece of output before the client gets it. `true` keeps it: then `passOn` sends it later, or is never called.
 */
export type Interceptor = (stream: OutputStream, piece: Buffer, passOn: () => void) => boolean;

/**
 * Carries bytes between a process behind the Engine and a client until the output ends, each side no faster than the
 * other reads. The end of stdin is passed on, and does not end the output. Rejects when either side breaks. The
 * connection is the caller's to close: until then its output is read on, and dropped once the client is gone.
 */
export async function carry(
  connection: Duplex,
  tty: boolean,
  streams: RemoteStreams,
  intercept: Interceptor = () => false,
): Promise<void> {
  const { stdin, stdout, stderr, gone } = streams;
  const sinks = { stdout, stderr };
  const gate = new OutputGate(connection);
  const output = (stream: OutputStream, piece: Buffer): void => {
    const passOn = (): void => gate.write(sinks[stream], piece);
    if (!intercept(stream, piece, passOn)) passOn();
  };
  const demux = new Demultiplexer(output);
  try {
    await new Promise<void>((resolve, reject) => {
      const onGone = (): void => reject(gone.reason as Error);
      if (gone.aborted) onGone();
      gone.addEventListener('abort', onGone, { once: true });
      connection.on('data', (chunk: Buffer) => {
        if (tty) {
          output('stdout', chunk);
          return;
        }
        try {
          demux.push(chunk);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(messageOf(error)));
        }
      });
      connection.on('end', resolve);
      // Writing to a process that has ended fails: what counts is how its output ends.
      connection.on('error', (error) => {
        if (connection.readableEnded) return;
        reject(new CriError(Code.UNAVAILABLE, `the connection to the Engine broke: ${messageOf(error)}`));
      });
      connection.on('close', () =>
        reject(new CriError(Code.UNAVAILABLE, 'the connection to the Engine broke')),
      );
      stdin?.pipe(connection);
    });
  } finally {
    stdin?.unpipe(connection);
  }
}

/** Writes to sinks; while one of them is full the connection is not read. */
class OutputGate {
  readonly #connection: Duplex;
  readonly #full = new Set<Writable>();

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** A sink that is closed, or was not asked for, takes everything. */
  write(sink: Writable | undefined, piece: Buffer): void {
    if (sink === undefined || sink.destroyed || sink.writableEnded) return;
    if (sink.write(piece) || this.#full.has(sink)) return;
    this.#full.add(sink);
    this.#connection.pause();
    const goOn = (): void => {
      sink.off('drain', goOn);
      sink.off('close', goOn);
      this.#full.delete(sink);
      if (this.#full.size === 0) this.#connection.resume();
    };
    sink.on('drain', goOn);
    sink.on('close', goOn);
  }
}
