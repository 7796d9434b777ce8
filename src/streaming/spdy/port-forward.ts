import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { forward, SessionBuffers } from '../forward.js';
import type { LoopbackDialer } from '../../network/netns-dialer.js';
import { Code, CriError } from '../../util/cri-error.js';
import { TELL_TIMEOUT_MS, clientGone } from '../remote-streams.js';
import { SpdyConnection } from './connection.js';
import type { SessionTimeouts } from './remote-streams.js';
import type { SpdyStream } from './stream.js';

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';

/** Two for each connection. */
const MAX_STREAMS = 4_096;

/** The streams of one connection that have come so far. */
interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  readonly timer: NodeJS.Timeout;
}

/**
 * Forwards connections for a client over SPDY until it goes, or `stop` aborts: each is a pair of streams, for data and for
 * an error.
 */
export function serveSpdyPortForward(
  socket: Duplex,
  dialer: LoopbackDialer,
  timeouts: SessionTimeouts,
  stop: AbortSignal,
): Promise<void> {
  const pairs = new Map<string, Pair>();
  const buffers = new SessionBuffers();
  const forwards = new Set<Promise<void>>();
  const cut = new AbortController();
  setMaxListeners(0, cut.signal); // one for each connection
  const drop = (key: string): void => {
    const pair = pairs.get(key);
    pairs.delete(key);
    clearTimeout(pair?.timer);
    pair?.data?.destroy();
    pair?.error?.destroy();
  };
  const onStream = (stream: SpdyStream): void => {
    const type = stream.headers.get('streamtype');
    const port = Number(stream.headers.get('port'));
    if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) {
      stream.destroy();
      return;
    }
    const key = requestKey(stream, type);
    const pair = pairs.get(key) ?? { timer: setTimeout(() => drop(key), timeouts.creationTimeoutMs) };
    if (pair[type] !== undefined) {
      stream.destroy();
      return;
    }
    pair[type] = stream;
    pairs.set(key, pair);
    const { data, error } = pair;
    if (data === undefined || error === undefined) return;
    clearTimeout(pair.timer);
    pairs.delete(key);
    error.resume(); // clients end it and send nothing
    const target = Number(data.headers.get('port'));
    const forwarding = forward(dialer, target, { data, error }, cut.signal, buffers).finally(() =>
      forwards.delete(forwarding),
    );
    forwards.add(forwarding);
  };
  return new Promise((resolve) => {
    const connection = new SpdyConnection(socket, {
      maxStreams: MAX_STREAMS,
      idleTimeoutMs: timeouts.idleTimeoutMs,
      onStream,
      onProblem: (problem) => giveUp(new CriError(Code.CANCELLED, problem)),
      onClose: () => {
        stop.removeEventListener('abort', onStop);
        cut.abort(clientGone());
        for (const key of [...pairs.keys()]) drop(key);
        dialer.close();
        resolve();
      },
    });
    const giveUp = (reason: unknown): void => {
      cut.abort(reason);
      const tooLong = setTimeout(() => connection.close(), TELL_TIMEOUT_MS);
      void Promise.all(forwards).then(() => {
        clearTimeout(tooLong);
        connection.end();
      });
    };
    const onStop = (): void => giveUp(stop.reason);
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop);
  });
}

/** What the two streams of a connection have in common. Old clients name nothing, and open the error stream first. */
function requestKey(stream: SpdyStream, type: 'data' | 'error'): string {
  const named = stream.headers.get('requestid');
  if (named !== undefined) return `request ${named}`;
  return `stream ${type === 'error' ? stream.id : stream.id - 2}`;
}
