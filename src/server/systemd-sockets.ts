import { readFile, readlink, realpath } from 'node:fs/promises';
import type { Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Logger } from '../util/log.js';
import { listen } from './accept.js';
import type { OnConnection } from './accept.js';
import { answers } from './unix-socket.js';

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
  const servers = await listenOnFds(takePassedFds(env), onConnection, log);
  log.info('listening', { endpoint: 'fd://', sockets: servers.length });
  return closerOf(servers);
}

/** Sockets that systemd passed although the endpoint is a path. */
export interface PassedSockets {
  /** True when clients who connect to this path reach one of them. */
  serves(path: string): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Listens on what systemd passed to a service whose endpoint is a path: most units of cri-dockerd name the path, or nothing,
 * and have a socket unit all the same. All of it is served, for nobody else will. Undefined when nothing was passed to
 * this process. Takes the variables out of `env`.
 */
export async function listenOnPassedSockets(
  env: NodeJS.ProcessEnv,
  onConnection: OnConnection,
  log: Logger,
): Promise<PassedSockets | undefined> {
  const isForUs = env['LISTEN_PID'] === String(process.pid) && (env['LISTEN_FDS'] ?? '0') !== '0';
  if (!isForUs) {
    dropVariables(env);
    return undefined;
  }
  const fds = takePassedFds(env);
  const servers = await listenOnFds(fds, onConnection, log);
  return { serves: (path) => reaches(path, fds), ...closerOf(servers) };
}

function closerOf(servers: readonly Server[]): { close(): Promise<void> } {
  return {
    close: () => {
      servers.forEach((server) => server.close());
      return Promise.resolve();
    },
  };
}

async function listenOnFds(
  fds: readonly number[],
  onConnection: OnConnection,
  log: Logger,
): Promise<Server[]> {
  const servers: Server[] = [];
  for (const fd of fds) {
    try {
      servers.push(await listen({ fd }, onConnection, log));
    } catch (error) {
      await closerOf(servers).close();
      throw new Error(`descriptor ${fd}, passed by systemd, is not a socket to listen on`, { cause: error });
    }
  }
  return servers;
}

/**
 * A socket keeps the name that it was bound to when its file is replaced or gone, as after a cri-dockerd that listened
 * beside it: so the file must answer, and no other socket may have the name.
 */
async function reaches(path: string, fds: readonly number[]): Promise<boolean> {
  const wanted = await plainPath(path);
  const inodes = await listenersOn(wanted);
  const own = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`)));
  const [inode] = inodes;
  return inodes.length === 1 && own.includes(`socket:[${inode}]`) && (await answers(path));
}

/** The path without links among its folders: /var/run is one to /run. */
async function plainPath(path: string): Promise<string> {
  return join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path));
}

/**
 * The inodes of the sockets that listen by this name. A line of /proc/net/unix has the flags fourth (__SO_ACCEPTCON for one
 * that listens), the inode seventh, then the name.
 */
async function listenersOn(path: string): Promise<string[]> {
  const inodes: string[] = [];
  for (const line of (await readFile('/proc/net/unix', 'utf8')).split('\n')) {
    const [, inode = '', name] = /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) (\/.*)$/.exec(line) ?? [];
    if (name !== undefined && (await plainPath(name)) === path) inodes.push(inode);
  }
  return inodes;
}

function dropVariables(env: NodeJS.ProcessEnv): void {
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
}

/** The descriptors of the sockets that were passed. Throws an Error when there are none for this process. */
export function takePassedFds(env: NodeJS.ProcessEnv): number[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds } = env;
  dropVariables(env);
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
