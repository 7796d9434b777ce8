import { setMaxListeners } from 'node:events';
import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { isIPv6 } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { StreamingUrls } from '../util/stream-request.js';
import type { StreamRequest } from '../util/stream-request.js';
import { Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';
import { within } from '../util/within.js';
import { refuse } from './handshake.js';
import type { Refusal } from './handshake.js';
import { TlsKeyPair } from './tls.js';
import type { TlsFiles } from './tls.js';
import { Tokens } from './tokens.js';

/** A client that does not finish its request in this time is no client. */
const REQUEST_TIMEOUT_MS = 30_000;
/** As Go's servers take it, the kubelet's among them: it passes on what a browser sends, cookies and all. */
const MAX_HEADER_BYTES = 1024 * 1024;
/** Bounds on the steps of a stop, one after the other. */
export interface StopTimes {
  /** What sessions get to say goodbye. */
  readonly goodbyeMs: number;
  /** What clients then get to read it and to close. */
  readonly lingerMs: number;
  /** What the commands of sessions that were cut off then get to be ended; the Engine may not answer. */
  readonly endMs: number;
}

/** Together less than what systemd leaves to a service. */
const STOP_TIMES: StopTimes = { goodbyeMs: 6_000, lingerMs: 1_000, endMs: 6_000 };

/**
 * Looks whether the client speaks a protocol of this session. Answers how to serve it, or the refusal.
 * A refusal leaves the token unused.
 */
export type Negotiate = (request: IncomingMessage, session: StreamRequest) => Refusal | ServeSession;

/** Serves a session on its connection, from the answer to the upgrade on. Resolves when it is over; never rejects. */
export type ServeSession = (socket: Duplex, head: Buffer, stop: AbortSignal) => Promise<void>;

/** A session whose client may have it. */
interface Admitted {
  readonly kind: StreamRequest['kind'];
  readonly serve: ServeSession;
}

export interface StreamingServerOptions {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  readonly negotiate: Negotiate;
  readonly log: Logger;
  readonly metrics: MetricsSink;
  readonly stopTimes?: StopTimes;
}

/**
 * Serves exec, attach and port-forward sessions: HTTP upgrades with single-use tokens. The token is all the protection:
 * the kubelet passes on what its own client sent, a browser's `Origin` and the name that it was called by among it.
 */
export class StreamingServer implements StreamingUrls {
  readonly #options: StreamingServerOptions;
  readonly #tokens = new Tokens<StreamRequest>();
  readonly #keyPair: TlsKeyPair | undefined;
  readonly #server: http.Server | https.Server;
  readonly #sessions = new Set<Promise<void>>();
  readonly #sockets = new Set<Duplex>();
  readonly #stop = new AbortController();
  #baseUrl = '';

  /** Throws Node's error when the TLS files cannot be read. */
  constructor(options: StreamingServerOptions) {
    this.#options = options;
    setMaxListeners(0, this.#stop.signal); // one for each session
    this.#keyPair = options.tls && new TlsKeyPair(options.tls, options.log);
    const limits = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    const refuseAll = (_request: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(404, { Connection: 'close' }).end('404: exec, attach and port-forward only\n');
    };
    this.#server = this.#keyPair
      ? https.createServer({ ...limits, ...this.#keyPair.first }, refuseAll)
      : http.createServer(limits, refuseAll);
    this.#server.maxHeadersCount = 0; // their size is bounded, and one that is dropped may be the one that counts
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#onUpgrade(request, socket, head);
    });
  }

  /** Listens. Throws Node's error when the address cannot be had. */
  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', (error) => log.warn('the streaming server failed', { error }));
    const { port: actualPort } = this.#server.address() as AddressInfo;
    const name = reachable(host);
    this.#baseUrl = `${this.#keyPair ? 'https' : 'http'}://${isIPv6(name) ? `[${name}]` : name}:${actualPort}`;
    log.info('streaming is served', { url: this.#baseUrl });
  }

  /**
   * Takes no more clients, and gives the address free at once. Sessions that are open get `graceMs` to end by themselves;
   * then those that are left are told that they are cut off. Resolves when all are over, or some do not end all the same.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#tokens.clear();
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#sessions.size > 0)
      this.#options.log.info('sessions are open', { sessions: this.#sessions.size, graceMs });
    await within(graceMs, Promise.all(this.#sessions));
    this.#stop.abort(new CriError(Code.UNAVAILABLE, 'cridock is being stopped; the session was cut off'));
    const { goodbyeMs, lingerMs, endMs } = this.#options.stopTimes ?? STOP_TIMES;
    await within(goodbyeMs, Promise.all(this.#sessions));
    // A connection that is closed while its client still sends is reset, and what was sent last may be lost.
    const closed = [...this.#sockets].map(
      (socket) => new Promise((resolve) => socket.once('close', resolve)),
    );
    await within(lingerMs, Promise.all(closed));
    for (const socket of this.#sockets) socket.destroy();
    await within(endMs, Promise.all(this.#sessions));
    if (this.#sessions.size > 0)
      this.#options.log.warn('sessions do not end, and are left behind', { sessions: this.#sessions.size });
  }

  /** How many sessions are open. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  urlFor(request: StreamRequest): string {
    const pair = this.#keyPair?.changed();
    if (pair !== undefined && this.#server instanceof https.Server) this.#server.setSecureContext(pair);
    return `${this.#baseUrl}/cri/${request.kind}/${this.#tokens.issue(request)}`;
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { log, metrics } = this.#options;
    socket.on('error', (error) => log.debug('a streaming connection failed', { error }));
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const outcome = this.#admit(request);
    if ('serve' in outcome) {
      const startMs = performance.now();
      const session = outcome.serve(socket, head, this.#stop.signal).finally(() => {
        this.#sessions.delete(session);
        metrics.streamingSession(outcome.kind, performance.now() - startMs);
      });
      this.#sessions.add(session);
      return;
    }
    metrics.streamingRefused(outcome.status === 404 ? 'token' : 'protocol');
    log.info('refused a streaming connection', { status: outcome.status, reason: outcome.message });
    refuse(socket, outcome);
  }

  #admit(request: IncomingMessage): Refusal | Admitted {
    const [, kind, token = ''] =
      /^\/cri\/([a-z]+)\/([0-9a-f]+)$/.exec(request.url?.split('?')[0] ?? '') ?? [];
    if (request.method !== 'GET' && request.method !== 'POST')
      return { status: 405, message: 'GET or POST only' };
    let answer: Refusal | Admitted = { status: 404, message: 'no such session' };
    this.#tokens.take(token, (session) => {
      if (session.kind !== kind) return false;
      const serve = this.#options.negotiate(request, session);
      answer = typeof serve === 'function' ? { kind: session.kind, serve } : serve;
      return typeof serve === 'function';
    });
    return answer;
  }
}

/** An address that reaches a server bound to `host` from this node. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
