import type { Server } from 'node:net';
import type { Logger } from '../util/log.js';
import { listen } from './accept.js';
import type { OnConnection } from './accept.js';

/** The first descriptor that systemd passes (sd_listen_fds(3)); the others follow it. */
const FIRST_FD = 3;

/**
 * Listens on every socket that systemd passed to this process (sd_listen_fds(3)). Takes the variables out of
 * `env`, so that no child believes the sockets to be its own. The socket files are systemd's to remove.
 */
export async function listenOnSystemdSockets(
  env: NodeJS.ProcessEnv,
  onConnection: OnConnection,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  const servers: Server[] = [];
  const close = (): void => servers.forEach((server) => server.close());
  for (const fd of takePassedFds(env)) {
    try {
      servers.push(await listen({ fd }, onConnection, log));
    } catch (error) {
      close();
      throw new Error(`descriptor ${fd}, passed by systemd, is not a socket to listen on`, { cause: error });
    }
  }
  log.info('listening', { endpoint: 'fd://', sockets: servers.length });
  return {
    close: () => {
      close();
      return Promise.resolve();
    },
  };
}

/** The descriptors of the sockets that were passed. Throws an Error when there are none for this process. */
export function takePassedFds(env: NodeJS.ProcessEnv): number[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds } = env;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (pid === undefined || fds === undefined) {
    throw new Error(
      'fd:// needs socket activation, but systemd passed no socket (LISTEN_FDS is not set): ' +
        'start the .socket unit, or listen on unix:///path/to/socket',
    );
  }
  if (pid !== String(process.pid)) {
    throw new Error(`fd://: the passed sockets are for process ${pid}, this one is ${process.pid}`);
  }
  const count = /^\d{1,4}$/.test(fds) ? Number(fds) : 0;
  if (count === 0) throw new Error(`fd://: LISTEN_FDS is ${JSON.stringify(fds)}, not a number of sockets`);
  return Array.from({ length: count }, (_, index) => FIRST_FD + index);
}
