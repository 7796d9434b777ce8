import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Logger } from '../util/log.js';

export type OnConnection = (socket: Socket) => void;

/** A server that listens; it outlives errors of single connections, such as a lack of file descriptors. */
export async function listen(
  where: { path: string } | { fd: number },
  onConnection: OnConnection,
  log: Logger,
): Promise<Server> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error('cannot accept a connection', { error }));
  return server;
}
