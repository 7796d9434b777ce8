import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { grpcFrame } from '../support/wire.js';

/** The kubelet's client grows its window with the connection: a list never waits for the reader's permission. */
const WINDOW_BYTES = 1024 * 1024;

/** gRPC calls as bytes over one HTTP/2 connection, without a library that would cost more than the server under test. */
export class RawCri {
  readonly #session: ClientHttp2Session;

  constructor(socketPath: string) {
    this.#session = connectHttp2('http://localhost', {
      createConnection: () => connectSocket(socketPath),
      settings: { initialWindowSize: WINDOW_BYTES },
    });
    this.#session.once('connect', () => this.#session.setLocalWindowSize(WINDOW_BYTES));
  }

  /** Answers the number of bytes of the reply. Throws when the call fails. */
  async call(rpc: string, request: Buffer = Buffer.alloc(0)): Promise<number> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/runtime.v1.RuntimeService/${rpc}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      let bytes = 0;
      let status: unknown;
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
      stream.on('trailers', (trailers: IncomingHttpHeaders) => {
        status = trailers['grpc-status'];
      });
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') resolve(bytes);
        else reject(new Error(`${rpc}: grpc-status ${String(status)}`));
      });
      stream.end(grpcFrame(request));
    });
  }

  close(): void {
    this.#session.close();
  }
}
