import type { Endpoint } from '../util/endpoint.js';
import type { Logger } from '../util/log.js';
import type { OnConnection } from './accept.js';
import { listenOnSystemdSockets } from './systemd-sockets.js';
import { listenOnUnixSocket } from './unix-socket.js';

/** An open endpoint. */
export interface Listener {
  /** Accepts no more; connections that are open stay so. */
  close(): Promise<void>;
}

/** Opens the endpoint; connections are handed over one by one. Throws an Error that says why it cannot be had. */
export function openListener(endpoint: Endpoint, onConnection: OnConnection, log: Logger): Promise<Listener> {
  return endpoint.kind === 'systemd'
    ? listenOnSystemdSockets(process.env, onConnection, log)
    : listenOnUnixSocket(endpoint.path, onConnection, log);
}
