import type { Duplex, Writable } from 'node:stream';
import { Demultiplexer } from '../docker/demux.js';
import type { OutputStream } from '../docker/demux.js';
import { keepReading } from '../docker/keep-reading.js';
import { readInto } from '../network/read-into.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { JoinedOutput } from './joined-output.js';
import type { RemoteStreams } from './remote-streams.js';

/** Output that comes in many small pieces is read once in this time: each piece costs much the same, and wakes all on its way. */
const GATHER_MS = 1;
const SMALL_BYTES = 64 * 1024;

/**
 * Looks at a piece of output before the client gets it. `true` keeps it: then `passOn` sends it later, or is never called.
 * The piece is valid during the call only.
 */
export type Interceptor = (stream: OutputStream, piece: Buffer, passOn: (piece: Buffer) => void) => boolean;

/**
 * Carries bytes between a process behind the Engine and a client until the output ends, each side no faster than the
 * other reads. The end of stdin is passed on, and does not end the output. Rejects when either side breaks. The
 * connection, of which nothing may have been read, is the caller's to close: until then its output is read on, and
 * dropped once the client is gone.
 */
export async function carry(
  connection: Duplex,
  tty: boolean,
  streams: RemoteStreams,
  intercept: Interceptor = () => false,
): Promise<void> {
  const { stdin, cut } = streams;
  let fail: (error: Error) => void = () => undefined;
  const output = new OutputGate(streams, () => engine.resume());
  const joined = new JoinedOutput((stream, piece) => {
    const passOn = (kept: Buffer): void => output.write(stream, kept);
    if (!intercept(stream, piece, passOn)) passOn(piece);
  });
  const demux = new Demultiplexer((stream, piece) => joined.add(stream, piece));
  let readAtMs = 0;
  const engine = readInto(connection, (bytes) => {
    const nowMs = performance.now();
    if (bytes.length < SMALL_BYTES && nowMs < readAtMs + 2 * GATHER_MS) output.hold(GATHER_MS);
    readAtMs = nowMs;
    try {
      if (tty) joined.add('stdout', bytes);
      else demux.push(bytes);
      joined.flush();
    } catch (error) {
      fail(error instanceof Error ? error : new Error(messageOf(error)));
    }
    return output.hasTakenAll();
  });
  keepReading(engine);
  try {
    await new Promise<void>((resolve, reject) => {
      fail = reject;
      const onGone = (): void => reject(cut.reason as Error);
      if (cut.aborted) onGone();
      cut.addEventListener('abort', onGone, { once: true });
      engine.on('end', resolve);
      // Writing to a process that has ended fails: what counts is how its output ends.
      engine.on('error', (error) => {
        if (engine.readableEnded) return;
        reject(new CriError(Code.UNAVAILABLE, `the connection to the Engine broke: ${messageOf(error)}`));
      });
      engine.on('close', () => reject(new CriError(Code.UNAVAILABLE, 'the connection to the Engine broke')));
      stdin?.pipe(engine);
      engine.resume();
    });
  } finally {
    stdin?.unpipe(engine);
  }
}

/** Writes to the client's streams, and tells when they have taken everything. */
class OutputGate {
  readonly #sinks: Record<OutputStream, Writable | undefined>;
  readonly #onTaken: () => void;
  #open = 0;
  #awaited = false;

  constructor({ stdout, stderr }: RemoteStreams, onTaken: () => void) {
    this.#sinks = { stdout, stderr };
    this.#onTaken = onTaken;
  }

  /** A stream that is closed, or was not asked for, takes everything. */
  write(stream: OutputStream, piece: Buffer): void {
    const sink = this.#sinks[stream];
    if (sink === undefined || sink.destroyed || sink.writableEnded) return;
    this.#open += 1;
    sink.write(piece, () => this.#close());
  }

  /** Counts as something that is taken after this time. */
  hold(timeMs: number): void {
    this.#open += 1;
    setTimeout(() => this.#close(), timeMs);
  }

  /** Says whether all that was written has been taken; if not, `onTaken` is called once when it has. */
  hasTakenAll(): boolean {
    this.#awaited = this.#open > 0;
    return !this.#awaited;
  }

  #close(): void {
    this.#open -= 1;
    if (this.#open > 0 || !this.#awaited) return;
    this.#awaited = false;
    this.#onTaken();
  }
}
