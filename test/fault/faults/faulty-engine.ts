import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What becomes of a request. `then` runs when the Engine has answered, before the answer is passed on. */
export type Treatment =
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'hung'; readonly reaches: boolean }
  | { readonly kind: 'then'; readonly run: () => Promise<void> };

export interface EngineRequest {
  readonly method: string;
  readonly path: string;
}

/**
 * Stands between cridock and its Engine on a socket of its own. `treat` says what becomes of each request; without it, and
 * where it answers undefined, requests and answers pass unchanged.
 */
export class FaultyEngine {
  treat: ((request: EngineRequest) => Treatment | undefined) | undefined;
  readonly #server = http.createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #sockets = new Set<Duplex>();
  readonly #eventStreams = new Set<ServerResponse>();
  readonly #enginePath: string;
  #eventsAreSilent = false;

  private constructor(enginePath: string) {
    this.#enginePath = enginePath;
    this.#server.on('request', (request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, client, head) => this.#tunnel(request, client, head));
    this.#server.on('connection', (socket) => this.#keep(socket));
  }

  static async listen(enginePath: string, socketPath: string): Promise<FaultyEngine> {
    const proxy = new FaultyEngine(enginePath);
    proxy.#server.listen(socketPath);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Breaks off all that is open, as a dockerd that dies. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks off the event streams; new ones may be opened. */
  cutEvents(): void {
    for (const response of this.#eventStreams) response.destroy();
  }

  /** While true, event streams that are open bring nothing, and new ones are never answered. */
  set eventsAreSilent(silent: boolean) {
    this.#eventsAreSilent = silent;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const treatment = this.treat?.({ method, path });
    if (treatment?.kind === 'status') {
      response.writeHead(treatment.status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ message: 'made to fail' }));
      return;
    }
    if (treatment?.kind === 'hung' && !treatment.reaches) return;
    if (treatment?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, treatment.ms));
    const isEvents = /\/events(\?|$)/.test(path);
    if (isEvents && this.#eventsAreSilent) return;
    const upstream = http.request({
      socketPath: this.#enginePath,
      method,
      path,
      headers: request.headers,
      agent: this.#agent,
    });
    response.once('close', () => upstream.destroy());
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    if (treatment?.kind === 'then') await treatment.run();
    if (treatment?.kind === 'hung') {
      answer.resume();
      return;
    }
    if (isEvents) this.#passEvents(answer, response);
    else if (treatment?.kind === 'cut') await passHalf(answer, response);
    else if (treatment?.kind === 'garbage') await passGarbage(answer, response);
    else {
      delete answer.headers['transfer-encoding']; // the proxy's own server chooses, as a client of HTTP/1.0 takes none
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    }
  }

  #passEvents(answer: IncomingMessage, response: ServerResponse): void {
    this.#eventStreams.add(response);
    response.once('close', () => this.#eventStreams.delete(response));
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.on('data', (bytes: Buffer) => {
      if (!this.#eventsAreSilent) response.write(bytes);
    });
    answer.once('end', () => response.end());
    answer.once('error', () => response.destroy());
  }

  /** Exec and attach: after its head such a request is a connection. */
  #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): void {
    const { method = '', url: path = '' } = request;
    const treatment = this.treat?.({ method, path });
    this.#keep(client);
    if (treatment?.kind === 'hung') return;
    if (treatment !== undefined && treatment.kind !== 'slow' && treatment.kind !== 'then') {
      client.end('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const engine: Socket = connect(this.#enginePath);
    this.#keep(engine);
    const headers: string[] = [];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      headers.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
    }
    engine.write(`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    engine.write(head);
    client.pipe(engine).pipe(client);
    client.once('close', () => engine.destroy());
    engine.once('close', () => client.destroy());
    if (treatment?.kind === 'then') engine.once('data', () => void treatment.run());
  }
}

/** The head and half of the body, then the end of the connection. */
async function passHalf(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await wholeOf(answer);
  response.writeHead(answer.statusCode ?? 502, { 'Content-Length': Math.max(1, body.length) });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}

/** A success whose body is nothing that an Engine says. */
async function passGarbage(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  await wholeOf(answer);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end('{"Id": ["\u0000", 1e999, {"Names":');
}

async function wholeOf(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
