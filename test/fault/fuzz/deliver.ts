import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { below, pick, type Random } from '../../support/hostile.js';
import { grpcFrame } from '../../support/wire.js';

/** How a request comes to the server. */
export type Delivery =
  | 'whole'
  /** In pieces, with pauses. */
  | 'pieces'
  /** Given up by the client at some moment. */
  | 'cancelled'
  /** The connection breaks within the message. */
  | 'broken off'
  /** The message ends before the length that its frame claims. */
  | 'cut short'
  /** The message comes, but never its end. */
  | 'unended'
  /** Headers that no gRPC client sends. */
  | 'odd headers';

export interface Outcome {
  readonly kind: 'status' | 'http' | 'reset' | 'given up' | 'hang';
  /** The gRPC or HTTP status, or HTTP/2's code of the reset. */
  readonly code: number;
  readonly message: string;
  readonly tookMs: number;
}

/** Of the client, so that it sends long messages too. */
const MAX_SESSION_MIB = 256;
const CANCEL = constants.NGHTTP2_CANCEL;
/** Beyond its deadline an answer may be late by this, on a machine that has much to do. */
const LATE_MS = 3_000;
const TURN_MS = 50;
/** An `unended` request is answered when this is over, by its deadline. */
const UNENDED_DEADLINE_MS = 1_000;
/** What may wait on its own word is given up after this. */
const PATIENCE_MS = 700;

export function pickDelivery(random: Random): Delivery {
  const roll = random();
  if (roll < 0.82) return 'whole';
  if (roll < 0.88) return 'pieces';
  if (roll < 0.93) return 'cancelled';
  return pick(random, ['broken off', 'cut short', 'cut short', 'unended', 'odd headers', 'odd headers']);
}

/** A connection as one client has it; made anew when it is broken. */
export class Connection {
  readonly #socketPath: string;
  #session: ClientHttp2Session | undefined;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  get session(): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connect('http://localhost', {
        maxSessionMemory: MAX_SESSION_MIB,
        createConnection: () => connectSocket(this.#socketPath),
      });
      this.#session.on('error', () => undefined); // its streams end with it, and tell
    }
    return this.#session;
  }

  close(): void {
    this.#session?.destroy();
  }
}

export interface Request {
  readonly path: string;
  readonly message: Buffer;
  readonly delivery: Delivery;
  readonly deadlineMs: number;
  /** Whether the call may last beyond its deadline: it is given up by the client before. */
  readonly mayWait: boolean;
}

/** Sends one request and waits for its end, whatever that is. */
export async function deliver(random: Random, connection: Connection, request: Request): Promise<Outcome> {
  const { delivery, mayWait } = request;
  const deadlineMs = delivery === 'unended' ? UNENDED_DEADLINE_MS : request.deadlineMs;
  const startedAtMs = performance.now();
  const stream = connection.session.request({
    ':method': 'POST',
    ':path': request.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(mayWait ? {} : { 'grpc-timeout': `${deadlineMs}m` }),
    ...(delivery === 'odd headers' && oddHeaders(random)),
  });
  const givenUp = new AbortController();
  const giveUp = (): void => {
    givenUp.abort();
    stream.close(CANCEL);
  };
  const patience = new AbortController();
  const waitMs = mayWait ? PATIENCE_MS : deadlineMs + LATE_MS;
  const { signal } = patience;
  // The second wait takes in an answer that came while this process, not the server, was held up.
  const hang = delay(waitMs, undefined, { signal })
    .then(() => delay(TURN_MS, undefined, { signal }))
    .then(
      () => 'hang' as const,
      () => 'hang' as const,
    );
  const closed = ended(stream);
  void send(random, connection, stream, request, giveUp);
  const result = await Promise.race([closed, hang]);
  patience.abort();
  const tookMs = performance.now() - startedAtMs;
  if (!stream.closed && delivery === 'unended') stream.close(CANCEL);
  if (result === 'hang') {
    stream.close(CANCEL);
    return { kind: mayWait ? 'given up' : 'hang', code: 0, message: `no answer after ${waitMs} ms`, tookMs };
  }
  const isOurs = givenUp.signal.aborted || delivery === 'broken off';
  return { ...result, ...(isOurs && result.kind === 'reset' && { kind: 'given up' }), tookMs };
}

async function send(
  random: Random,
  connection: Connection,
  stream: ClientHttp2Stream,
  { message, delivery }: Request,
  giveUp: () => void,
): Promise<void> {
  const frame = grpcFrame(message);
  switch (delivery) {
    case 'whole':
    case 'odd headers':
      stream.end(frame);
      break;
    case 'pieces': {
      const size = Math.max(1, Math.ceil(frame.length / (1 + below(random, 12))));
      for (let at = 0; at < frame.length; at += size) {
        if (stream.destroyed) return;
        stream.write(frame.subarray(at, at + size));
        await delay(below(random, 8));
      }
      stream.end();
      break;
    }
    case 'cancelled':
      stream.end(frame);
      await delay(random() ** 3 * 400);
      giveUp();
      break;
    case 'broken off':
      stream.write(frame.subarray(0, below(random, frame.length)));
      await delay(below(random, 20));
      connection.close();
      break;
    case 'cut short':
      stream.end(frame.subarray(0, below(random, frame.length)));
      break;
    case 'unended':
      stream.write(frame);
      break;
  }
}

function oddHeaders(random: Random): Record<string, string> {
  return pick<Record<string, string>>(random, [
    { 'content-type': 'text/html' },
    { 'content-type': 'application/grpc+json' },
    { 'grpc-encoding': 'gzip' },
    { 'grpc-encoding': 'snappy' },
    { 'grpc-timeout': '-1S' },
    { 'grpc-timeout': '99999999H' },
    { 'grpc-timeout': 'x' },
    { 'grpc-timeout': '' },
    { 'grpc-timeout': '1e3m' },
    { 'x-a-bin': '!!!' },
    { 'x!~|': 'a' },
    { 'x-long': 'a'.repeat(7_000) },
    { ':method': 'GET' },
    { ':path': '/' },
    { ':path': '/runtime.v1.RuntimeService/__proto__' },
    { ':path': '/runtime.v1.RuntimeService/Nothing' },
    { ':path': '/runtime.v1alpha2.RuntimeService/Version' },
    { authority: 'evil.example' },
  ]);
}

/** Waits for the end of the call; a stream's messages are read and forgotten. */
function ended(stream: ClientHttp2Stream): Promise<Omit<Outcome, 'tookMs'>> {
  let seen: Record<string, unknown> = {};
  const collect = (more: object): void => {
    seen = { ...seen, ...more };
  };
  stream.on('response', collect).on('trailers', collect).resume();
  stream.on('error', () => undefined); // 'close' comes too
  return new Promise((resolve) => {
    const end = (): void => {
      const message = typeof seen['grpc-message'] === 'string' ? seen['grpc-message'] : '';
      const httpStatus = seen[':status'];
      const status = seen['grpc-status'];
      if (status !== undefined) resolve({ kind: 'status', code: Number(status), message });
      else if (typeof httpStatus === 'number' && httpStatus !== 200)
        resolve({ kind: 'http', code: httpStatus, message });
      else resolve({ kind: 'reset', code: stream.rstCode, message });
    };
    // While our own side is open, there is no 'close' after it.
    stream.once('end', () => setImmediate(end)).once('close', end);
  });
}
