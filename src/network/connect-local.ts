import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** What a server that listens only for one family, or on one address of it, is reached by. */
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];

/**
 * Connects to a port on the loopback address of the namespace that this process is in, by IPv4 and else by IPv6. The
 * socket is paused and keeps half-open connections. Throws Node's error of the last attempt, with the texts of all.
 */
export async function connectLocal(port: number): Promise<Socket> {
  const problems: string[] = [];
  for (const host of LOOPBACK_ADDRESSES) {
    try {
      return await attempt(host, port);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(problems.join('; '));
}

function attempt(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    socket.pause();
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
