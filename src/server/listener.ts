import type { Endpoint } from '../util/endpoint.js';
import type { Logger } from '../util/log.js';
import type { OnConnection } from './accept.js';
import { listenOnPassedSockets, listenOnSystemdSockets } from './systemd-sockets.js';
import { listenOnUnixSocket } from './unix-socket.js';

/** An open endpoint. */
export interface Listener {
  /** Accepts no more; connections that are open stay so. */
  close(): Promise<void>;
}

/** Opens the endpoint; connections are handed over one by one. Throws an Error that says why it cannot be had. */
export async function openListener(
  endpoint: Endpoint,
  onConnection: OnConnection,
  log: Logger,
): Promise<Listener> {
  if (endpoint.kind === 'systemd') return listenOnSystemdSockets(process.env, onConnection, log);
  const { path } = endpoint;
  const passed = await listenOnPassedSockets(process.env, onConnection, log);
  if (passed === undefined) return listenOnUnixSocket(path, onConnection, log);
  if (await passed.serves(path)) {
    log.info('listening', { endpoint: `unix://${path}`, socketBy: 'systemd' });
    return passed;
  }
  try {
    const own = await listenOnUnixSocket(path, onConnection, log);
    return {
      close: async () => {
        await Promise.all([passed.close(), own.close()]);
      },
    };
  } catch (error) {
    await passed.close();
    throw error;
  }
}
