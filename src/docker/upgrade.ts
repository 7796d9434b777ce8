import { IncomingMessage, type Agent } from 'node:http';
import { Socket } from 'node:net';
import { inspect } from 'node:util';
import type { Endpoint } from './endpoint.js';
import type { EngineRequest } from './engine-request.js';

type Modem = InstanceType<typeof import('dockerode')>['modem'];

/** A response of any status is an answer here: statuses become errors in `session.ts`. */
const anyStatus = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true]));

/**
 * Asks the Engine for a connection itself, by dockerode's own request function. That formats all it is given for a debug
 * line that nobody reads, and takes a while to load: it is for these few requests only.
 */
export class Upgrades {
  readonly #endpoint: Endpoint;
  readonly #agent: Agent;
  #modem: Promise<Modem> | undefined;

  constructor(endpoint: Endpoint, agent: Agent) {
    this.#endpoint = endpoint;
    this.#agent = agent;
  }

  /** Resolves with the connection, or with the response that says why it cannot be had. */
  async request(request: EngineRequest): Promise<Socket | IncomingMessage> {
    this.#modem ??= createModem(this.#endpoint, this.#agent);
    const modem = await this.#modem;
    return new Promise((resolve, reject) => {
      modem.dial(
        {
          method: request.method,
          path: request.query === undefined ? request.path : `${request.path}?`,
          // With no `_body` the modem would send the whole of `options` as the body of a POST.
          options: { _query: request.query, _body: request.body ?? {} },
          allowEmpty: request.body !== undefined,
          headers: unprinted({ ...request.headers }),
          ...(request.signal === undefined ? {} : { abortSignal: request.signal }),
          isStream: true,
          hijack: true,
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

async function createModem(endpoint: Endpoint, agent: Agent): Promise<Modem> {
  const { default: Dockerode } = await import('dockerode');
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
  return new Dockerode(options).modem;
}

/** Keeps headers out of the modem's debug line. */
function unprinted(headers: Record<string, string>): Record<string, string> {
  return Object.defineProperty(headers, inspect.custom, { value: () => '[headers]' });
}
