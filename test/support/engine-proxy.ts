import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Stands between a server and its Engine on a socket of its own. */
export interface EngineProxy {
  /** `unix://` of its socket. */
  readonly endpoint: string;
  /** Breaks all connections off; new ones may be made. */
  cut(): void;
  close(): Promise<void>;
}

/** Passes everything on to the Engine at `enginePath`; `watch` sees each connection, and the one to the Engine, before any byte. */
export async function startEngineProxy(
  enginePath: string,
  socketPath: string,
  watch: (client: Socket, engine: Socket) => void,
): Promise<EngineProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const engine = connect(enginePath);
    watch(client, engine);
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
    cut,
    close: async () => {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
