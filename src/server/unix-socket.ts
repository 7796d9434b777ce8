import { chmod, chown, lstat, mkdir, readFile, rename } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf } from '../util/cri-error.js';
import { MAX_SOCKET_PATH_BYTES } from '../util/endpoint.js';
import type { Logger } from '../util/log.js';
import { listen } from './accept.js';
import type { OnConnection } from './accept.js';
import { isMissing } from '../util/is-missing.js';
import { removeFile } from '../util/remove-file.js';

/**
 * Who may connect besides root. The group that may use Docker may use the runtime: whoever can do the one can do the other.
 */
export type SocketAccess = 'docker-group' | 'root';
const GROUP = 'docker';
const MODES: Readonly<Record<SocketAccess, number>> = { 'docker-group': 0o660, root: 0o600 };

/**
 * Listens on a socket file of our own: mode 0660 and group docker where the host has one, or 0600. The file is made under
 * another name and moved into place when its mode is right, so nobody connects to it before that. A socket file
 * that nobody listens on is replaced; anything else at `path` is left alone.
 */
export async function listenOnUnixSocket(
  path: string,
  onConnection: OnConnection,
  log: Logger,
  access: SocketAccess = 'docker-group',
): Promise<{ close(): Promise<void> }> {
  await mkdir(dirname(path), { recursive: true });
  await refuseIfTaken(path);
  const draft = join(dirname(path), `.cri-${process.pid}`);
  if (Buffer.byteLength(draft) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`${dirname(path)}: too long a path for a socket`);
  }
  await removeFile(draft);
  const server = await listen({ path: draft }, onConnection, log);
  try {
    if (access === 'docker-group') await giveToGroup(draft, log);
    await chmod(draft, MODES[access]);
    const own = await lstat(draft);
    await rename(draft, path);
    log.info('listening', { endpoint: `unix://${path}` });
    return {
      close: async () => {
        server.close();
        await removeIfOwn(path, own, log);
      },
    };
  } catch (error) {
    server.close(); // this removes the draft
    throw error;
  }
}

async function refuseIfTaken(path: string): Promise<void> {
  const found = await lstatIfThere(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket; it is left alone`);
  if (await answers(path)) throw new Error(`another process serves ${path}; stop it first`);
}

/** True when a process listens on the socket, also one whose queue is full. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}

async function giveToGroup(path: string, log: Logger): Promise<void> {
  const gid = await groupId(GROUP);
  if (gid === undefined) return;
  try {
    await chown(path, -1, gid);
  } catch (error) {
    log.warn('cannot give the socket to its group', { group: GROUP, reason: messageOf(error) });
  }
}

/** The id of a group of /etc/group, whose lines are `name:password:gid:members`. */
async function groupId(name: string): Promise<number | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const fields = groups
    .split('\n')
    .map((line) => line.split(':'))
    .find(([group]) => group === name);
  const gid = Number(fields?.[2]);
  return fields !== undefined && Number.isInteger(gid) ? gid : undefined;
}

/** Another process may have put its own socket in our place. */
async function removeIfOwn(path: string, own: Stats, log: Logger): Promise<void> {
  try {
    const found = await lstatIfThere(path);
    if (found?.ino === own.ino && found.dev === own.dev) await removeFile(path);
  } catch (error) {
    log.warn('cannot remove the socket file', { path, reason: messageOf(error) });
  }
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
