import Dockerode from 'dockerode';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { createAgent, closeIdle } from './agent.js';
import type { Endpoint } from './endpoint.js';
import type { EngineRequest } from './engine-request.js';
import { abortError } from './errors.js';
import { sendRequest } from './send-request.js';
import { getUnframed, type UnframedGet } from './unframed.js';

/** Requests that answer soon share this many connections. */
const MAX_SHORT_CONNECTIONS = 32;
const UNFRAMED_BUFFER_BYTES = 64 * 1024;

/** A response of any status is an answer here: statuses become errors in `session.ts`. */
const anyStatus = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true]));

/**
 * The HTTP connections to the Engine: a thin use of dockerode's own request function, which alone gives back the
 * response headers and lets the body be read (and its loss be seen) here.
 */
export class Transport {
  readonly endpoint: Endpoint;
  readonly #short;
  readonly #long;
  readonly #unframedBuffer = new Uint8Array(UNFRAMED_BUFFER_BYTES);

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.#short = connect(endpoint, MAX_SHORT_CONNECTIONS);
    this.#long = connect(endpoint, Infinity);
  }

  /** Resolves with the response as soon as its headers are there. Rejects with Node's error, or the abort's CriError. */
  async send(request: EngineRequest): Promise<IncomingMessage> {
    const answer = await this.#dial(request, false);
    if (answer instanceof IncomingMessage) return answer;
    answer.destroy();
    throw new Error('an upgrade that was not asked for');
  }

  /** Sends a GET for a long answer of small pieces; see `getUnframed`. Resolves with false when its status is not 200. */
  async readUnframed(
    request: EngineRequest,
    { onOpen, onBytes }: Pick<UnframedGet, 'onOpen' | 'onBytes'>,
  ): Promise<boolean> {
    const { endpoint } = this;
    const pathAndQuery = `${request.path}?${new URLSearchParams(request.query).toString()}`;
    const buffer = this.#unframedBuffer;
    return getUnframed({ endpoint, pathAndQuery, signal: request.signal, buffer, onOpen, onBytes });
  }

  /** Asks for the connection itself. Resolves with it, or with the response that says why it cannot be had. */
  async hijack(request: EngineRequest): Promise<Socket | IncomingMessage> {
    return this.#dial({ ...request, long: true }, true);
  }

  /** Closes the connections that carry no request. */
  closeIdle(): void {
    closeIdle(this.#short.agent);
    closeIdle(this.#long.agent);
  }

  async #dial(request: EngineRequest, hijack: boolean): Promise<Socket | IncomingMessage> {
    if (request.signal?.aborted === true) throw abortError(request.signal.reason);
    const { modem } = request.long === true || request.blocks === true ? this.#long : this.#short;
    return new Promise((resolve, reject) => {
      modem.dial(
        {
          method: request.method,
          path: request.query === undefined ? request.path : `${request.path}?`,
          // With no `_body` the modem would send the whole of `options` as the body of a POST.
          options: { _query: request.query, _body: request.body ?? {} },
          ...(request.stream && { file: request.stream }),
          allowEmpty: request.body !== undefined,
          headers: { ...request.headers },
          ...(request.signal === undefined ? {} : { abortSignal: request.signal }),
          isStream: true,
          hijack,
          statusCodes: anyStatus,
        },
        (error, result) => {
          if (result instanceof IncomingMessage || result instanceof Socket) resolve(result);
          else reject(error ?? new Error('no HTTP response'));
        },
      );
    });
  }
}

function connect(endpoint: Endpoint, maxSockets: number) {
  const agent = createAgent(endpoint, maxSockets);
  const tcp = endpoint.kind === 'tcp' ? endpoint : undefined;
  const protocol = tcp?.tls === undefined ? 'http' : 'https';
  // Each member is named, also as undefined: what is left out, the modem takes from DOCKER_HOST and its like.
  const options = {
    socketPath: endpoint.kind === 'unix' ? endpoint.socketPath : undefined,
    host: tcp && `${protocol}://${tcp.hostname}`,
    port: tcp?.port,
    protocol,
    agent,
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
  } as const;
  const { modem } = new Dockerode(options);
  Object.defineProperty(modem, 'buildRequest', { value: sendRequest.bind(undefined, protocol) });
  return { agent, modem };
}
