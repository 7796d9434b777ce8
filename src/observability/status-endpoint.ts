import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { Metrics } from './metrics.js';

export interface StatusEndpointOptions {
  readonly metrics: Pick<Metrics, 'text'>;
  readonly log: Logger;
  /** Why pods cannot be run now, in a line or more; undefined when they can. */
  readonly whyNotReady: () => Promise<string | undefined>;
}

const PLAIN = 'text/plain; charset=utf-8';
/** Prometheus' text format. */
const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Plain HTTP for whoever watches the node: `/metrics` for Prometheus, `/healthz` (200 while the process answers: when
 * it does not, a restart may help) and `/readyz` (200 while pods can be run, else 503 with the reason).
 */
export class StatusEndpoint {
  readonly #options: StatusEndpointOptions;
  #server: Server | undefined;

  constructor(options: StatusEndpointOptions) {
    this.#options = options;
  }

  /** Listens here; answers the address, where port 0 has become a port. Throws when the address cannot be had. */
  async listen(address: { host: string; port: number }): Promise<AddressInfo> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.#options.log.warn('a request for the status failed', { error: messageOf(error) });
        response.destroy();
      });
    });
    this.#server = server;
    server.listen(address);
    await once(server, 'listening');
    const bound = server.address() as AddressInfo;
    this.#options.log.info('serving metrics and health', { address: bound.address, port: bound.port });
    return bound;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'only GET\n');
      return;
    }
    switch (request.url?.split('?')[0]) {
      case '/metrics':
        send(response, 200, await this.#options.metrics.text(), EXPOSITION);
        break;
      case '/healthz':
        send(response, 200, 'ok\n');
        break;
      case '/readyz': {
        const problem = await this.#options.whyNotReady();
        send(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
        break;
      }
      default:
        send(response, 404, 'there are /metrics, /healthz and /readyz\n');
    }
  }
}

function send(response: ServerResponse, status: number, text: string, type = PLAIN): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
