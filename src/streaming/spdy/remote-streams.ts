import type { Duplex, Readable, Writable } from 'node:stream';
import type { WantedStreams } from '../../util/stream-request.js';
import type { TerminalSize } from '../../docker/types.js';
import { Code, CriError } from '../../util/cri-error.js';
import { statusObject, statusText } from '../outcome.js';
import type { Outcome } from '../outcome.js';
import { clientGone, endOf } from '../remote-streams.js';
import type { RemoteStreams } from '../remote-streams.js';
import { SizeReader } from '../terminal-sizes.js';
import { SpdyConnection } from './connection.js';
import type { SpdyStream } from './stream.js';

/** Kubernetes' remote command protocols over SPDY; since 3 there is a stream of sizes, since 4 the outcome is an object. */
export const REMOTE_COMMAND_PROTOCOLS = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;
export type RemoteCommandProtocol = (typeof REMOTE_COMMAND_PROTOCOLS)[number];

/** Clients open five streams at most. */
const MAX_STREAMS = 16;

export interface SessionTimeouts {
  /** What a client gets to open all its streams. */
  readonly creationTimeoutMs: number;
  /** A session without any traffic for this long is ended. */
  readonly idleTimeoutMs: number;
}

/**
 * The streams of a session over SPDY, which the client opens one by one. Rejects when it does not, or goes, or when
 * `stop` aborts; a client that is there and has opened its error stream has been told why by then.
 */
export function openSpdyStreams(
  socket: Duplex,
  protocol: RemoteCommandProtocol,
  wanted: WantedStreams,
  timeouts: SessionTimeouts,
  stop: AbortSignal,
): Promise<RemoteStreams> {
  const expected = expectedStreams(protocol, wanted);
  const streams = new Map<string, SpdyStream>();
  const cut = new AbortController();
  return new Promise((resolve, reject) => {
    const connection = new SpdyConnection(socket, {
      maxStreams: MAX_STREAMS,
      idleTimeoutMs: timeouts.idleTimeoutMs,
      onStream: (stream) => {
        const type = stream.headers.get('streamtype') ?? '';
        if (!expected.has(type) || streams.has(type)) {
          stream.destroy();
          return;
        }
        streams.set(type, stream);
        if (streams.size < expected.size) return;
        clearTimeout(tooLong);
        resolve(client());
      },
      onProblem: (problem) => giveUp(new CriError(Code.CANCELLED, problem)),
      onClose: () => {
        clearTimeout(tooLong);
        stop.removeEventListener('abort', onStop);
        cut.abort(clientGone());
        reject(cut.signal.reason as Error);
      },
    });
    const client = () => new SpdyRemoteStreams(connection, protocol, streams, cut.signal);
    const giveUp = (reason: CriError): void => {
      cut.abort(reason);
      if (streams.size === expected.size) return; // whoever has the streams tells the client
      void client().finish({ kind: 'failed', message: reason.message });
    };
    const onStop = (): void => giveUp(stop.reason as CriError);
    const tooLong = setTimeout(
      () => giveUp(new CriError(Code.CANCELLED, 'the client did not open its streams in time')),
      timeouts.creationTimeoutMs,
    );
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop);
  });
}

function expectedStreams(
  protocol: RemoteCommandProtocol,
  { stdin, stdout, stderr, tty }: WantedStreams,
): Set<string> {
  const resizes = tty && (protocol === 'v4.channel.k8s.io' || protocol === 'v3.channel.k8s.io');
  const wanted = { error: true, stdin, stdout, stderr, resize: resizes };
  return new Set(Object.entries(wanted).flatMap(([type, isWanted]) => (isWanted ? [type] : [])));
}

class SpdyRemoteStreams implements RemoteStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly cut: AbortSignal;
  readonly #connection: SpdyConnection;
  readonly #protocol: RemoteCommandProtocol;
  readonly #error: SpdyStream | undefined;
  readonly #resize: SpdyStream | undefined;

  constructor(
    connection: SpdyConnection,
    protocol: RemoteCommandProtocol,
    streams: ReadonlyMap<string, SpdyStream>,
    cut: AbortSignal,
  ) {
    this.#connection = connection;
    this.#protocol = protocol;
    this.cut = cut;
    this.stdin = streams.get('stdin');
    this.stdout = streams.get('stdout');
    this.stderr = streams.get('stderr');
    this.#error = streams.get('error');
    this.#resize = streams.get('resize');
    // Clients send nothing on these, and may end them: read, so that the end is seen.
    for (const type of ['stdout', 'stderr', 'error']) streams.get(type)?.resume();
  }

  onResize(listener: (size: TerminalSize) => void): void {
    const reader = new SizeReader();
    this.#resize?.on('data', (chunk: Buffer) => {
      const size = reader.push(chunk);
      if (size !== undefined) listener(size);
    });
  }

  async finish(outcome: Outcome): Promise<void> {
    const status =
      this.#protocol === 'v4.channel.k8s.io' ? JSON.stringify(statusObject(outcome)) : statusText(outcome);
    await Promise.all([endOf(this.stdout), endOf(this.stderr)]);
    await endOf(this.#error, status);
    this.#connection.end();
  }
}
