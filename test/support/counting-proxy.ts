import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Stands between cridock and its Engine on a socket of its own. */
export interface CountingProxy {
  /** `unix://` of its socket. */
  readonly endpoint: string;
  /** The request lines that have passed, in order. */
  readonly requests: readonly string[];
  /** When the last of them passed, as `performance.now()` tells time. */
  readonly lastRequestAtMs: number;
  /** Breaks all connections off; new ones may be made. */
  cut(): void;
  close(): Promise<void>;
}

/** Passes everything on to the Engine at `enginePath` and takes note of the requests. */
export async function startCountingProxy(enginePath: string, socketPath: string): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let lastRequestAtMs = 0;
  const server = createServer((client) => {
    const engine = connect(enginePath);
    client.on('data', (bytes) => {
      for (const [, line] of bytes
        .toString('latin1')
        .matchAll(/^((?:GET|HEAD|POST|PUT|DELETE) \S+) HTTP\/1\.1\r$/gm)) {
        requests.push(line ?? '');
        lastRequestAtMs = performance.now();
      }
    });
    client.pipe(engine).pipe(client);
    for (const [socket, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(socketPath);
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    endpoint: `unix://${socketPath}`,
    requests,
    get lastRequestAtMs() {
      return lastRequestAtMs;
    },
    cut,
    close: async () => {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
