import http from 'node:http';

/** Plain requests to the Engine over kept connections, as cheap as Node can send them: what cridock is measured against. */
export class RawEngine {
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #socketPath: string;

  constructor(endpoint: string) {
    this.#socketPath = endpoint.replace(/^unix:\/\//, '');
  }

  /** Answers the body. Throws when the Engine refuses. */
  async request(method: string, path: string, body?: object): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
      const request = http.request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          if ((response.statusCode ?? 500) < 400) resolve(bytes);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${bytes.toString()}`));
        });
      });
      request.on('error', reject);
      request.end(text);
    });
  }

  /** As `request`, of an answer that is one JSON text. */
  async json<T>(method: string, path: string, body?: object): Promise<T> {
    return JSON.parse((await this.request(method, path, body)).toString()) as T;
  }

  async create(name: string, body: object): Promise<string> {
    return (await this.json<{ Id: string }>('POST', `/containers/create?name=${name}`, body)).Id;
  }

  close(): void {
    this.#agent.destroy();
  }
}
