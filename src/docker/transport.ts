import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createAgent, closeIdle } from './agent.js';
import type { Endpoint } from './endpoint.js';
import type { EngineRequest } from './engine-request.js';
import { abortError } from './errors.js';
import { getUnframed, type UnframedGet } from './unframed.js';
import { Upgrades } from './upgrade.js';

/** Requests that answer soon share this many connections. */
const MAX_SHORT_CONNECTIONS = 32;
const UNFRAMED_BUFFER_BYTES = 64 * 1024;

/** The HTTP connections to the Engine. Responses of any status are answers here: they become errors in `session.ts`. */
export class Transport {
  readonly endpoint: Endpoint;
  readonly #short: http.Agent;
  readonly #long: http.Agent;
  readonly #upgrades: Upgrades;
  readonly #unframedBuffer = new Uint8Array(UNFRAMED_BUFFER_BYTES);

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.#short = createAgent(endpoint, MAX_SHORT_CONNECTIONS);
    this.#long = createAgent(endpoint, Infinity);
    this.#upgrades = new Upgrades(endpoint, this.#long);
  }

  /** Resolves with the response as soon as its headers are there. Rejects with Node's error, or the abort's CriError. */
  async send(request: EngineRequest): Promise<http.IncomingMessage> {
    const { endpoint } = this;
    const { method, signal } = request;
    if (signal?.aborted === true) throw abortError(signal.reason);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options: https.RequestOptions = {
      agent: request.long === true || request.blocks === true ? this.#long : this.#short,
      method,
      path: pathAndQuery(request),
      headers: {
        ...request.headers,
        ...(body !== undefined && {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
      ...(signal !== undefined && { signal }),
      ...(endpoint.kind === 'unix'
        ? { socketPath: endpoint.socketPath }
        : { hostname: endpoint.hostname.replace(/^\[|\]$/g, ''), port: endpoint.port }),
    };
    const client = endpoint.kind === 'tcp' && endpoint.tls !== undefined ? https : http;
    return new Promise((resolve, reject) => {
      const outgoing = client.request(options, resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** Sends a GET for a long answer of small pieces; see `getUnframed`. Resolves with false when its status is not 200. */
  async readUnframed(
    request: EngineRequest,
    { onOpen, onBytes }: Pick<UnframedGet, 'onOpen' | 'onBytes'>,
  ): Promise<boolean> {
    const { endpoint } = this;
    const buffer = this.#unframedBuffer;
    const { signal } = request;
    return getUnframed({ endpoint, pathAndQuery: pathAndQuery(request), signal, buffer, onOpen, onBytes });
  }

  /** Asks for the connection itself. Resolves with it, or with the response that says why it cannot be had. */
  async hijack(request: EngineRequest): Promise<Socket | http.IncomingMessage> {
    if (request.signal?.aborted === true) throw abortError(request.signal.reason);
    return this.#upgrades.request(request);
  }

  /** Closes the connections that carry no request. */
  closeIdle(): void {
    closeIdle(this.#short);
    closeIdle(this.#long);
  }
}

function pathAndQuery({ path, query }: EngineRequest): string {
  if (query === undefined) return path;
  const parts = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${path}?${parts.join('&')}`;
}
