import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { grpcFrame } from '../support/wire.js';

/** Before each message stand a flag and its length. */
const GRPC_HEAD_BYTES = 5;

/** The kubelet's client grows its window with the connection: a list never waits for the reader's permission. */
const WINDOW_BYTES = 1024 * 1024;

/** Encodes requests of RuntimeService. */
export function requestEncoder(): (rpc: string, request: object) => Buffer {
  // Compiled, this file is <root>/<outDir>/test/bench/raw-cri.js.
  const file = fileURLToPath(new URL('../../../proto/runtime/v1/api.proto', import.meta.url));
  const service = loadSync(file, { keepCase: true })['runtime.v1.RuntimeService'] as ServiceDefinition;
  return (rpc, request) => {
    const method = service[rpc];
    if (method === undefined) throw new Error(`no RPC ${rpc}`);
    return method.requestSerialize(request);
  };
}

/** The id that is the only field of a reply, as in CreateContainerResponse. */
export function idOf(reply: Buffer): string {
  return reply.subarray(2).toString();
}

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

  /** Answers the reply, undecoded. Throws when the call fails. */
  async call(rpc: string, request: Buffer = Buffer.alloc(0)): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/runtime.v1.RuntimeService/${rpc}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let status: unknown;
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('trailers', (trailers: IncomingHttpHeaders) => {
        status = trailers['grpc-status'];
      });
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') resolve(Buffer.concat(chunks).subarray(GRPC_HEAD_BYTES));
        else reject(new Error(`${rpc}: grpc-status ${String(status)}`));
      });
      stream.end(grpcFrame(request));
    });
  }

  close(): void {
    this.#session.close();
  }
}
