import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Answer = (request: http.IncomingMessage, response: http.ServerResponse, body: string) => void;

/**
 * An HTTP server on a unix socket that answers `GET /version` as an Engine would and leaves the rest to the test: for
 * connections that break and Engines that change, which a real one cannot be asked for.
 */
export class EngineServer {
  readonly endpoint: string;
  /** Method and URL of each request, in order. */
  readonly requests: string[] = [];
  apiVersion = '1.47';
  minApiVersion = '1.24';
  answer: Answer = (_request, response) => response.end('{}');
  readonly #folder: string;
  readonly #server: http.Server;

  private constructor(folder: string) {
    this.#folder = folder;
    this.endpoint = `unix://${join(folder, 'engine.sock')}`;
    this.#server = http.createServer((request, response) => {
      this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (chunk: string) => (body += chunk));
      request.on('end', () => this.#respond(request, response, body));
    });
  }

  static async start(): Promise<EngineServer> {
    const server = new EngineServer(await mkdtemp(join(tmpdir(), 'cridock-engine-')));
    await server.listen();
    return server;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.endpoint.slice('unix://'.length), resolve));
  }

  /** Goes away as an Engine that is shut down: the socket is gone, all connections are closed. */
  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
    await rm(this.#folder, { recursive: true });
  }

  #respond(request: http.IncomingMessage, response: http.ServerResponse, body: string): void {
    response.setHeader('Api-Version', this.apiVersion);
    if (request.url !== '/version') {
      this.answer(request, response, body);
      return;
    }
    const { apiVersion: ApiVersion, minApiVersion: MinAPIVersion } = this;
    response.end(JSON.stringify({ Version: 'test', ApiVersion, MinAPIVersion }));
  }
}

/** Answers with a status and a JSON body. */
export function answerJson(response: http.ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.end(JSON.stringify(body));
}
