import type { CriServer } from '../server/grpc-server.js';
import { listenOnUnixSocket } from '../server/unix-socket.js';
import type { Logger } from '../util/log.js';

/** The debug data, served at a socket of root's. */
export interface Debug {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Loads what serves debug data, which most nodes never need. Nothing listens before `start`. */
export async function buildDebug(path: string, server: CriServer, log: Logger): Promise<Debug> {
  const { DebugEndpoint } = await import('../observability/debug-endpoint.js');
  const endpoint = new DebugEndpoint({ calls: () => server.callsInFlight, log });
  let listener: { close(): Promise<void> } | undefined;
  return {
    start: async () => {
      listener = await listenOnUnixSocket(path, (socket) => endpoint.serve(socket), log, 'root');
    },
    stop: async () => {
      await listener?.close();
      endpoint.close();
    },
  };
}
