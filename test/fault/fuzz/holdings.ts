import { readFileSync, readdirSync } from 'node:fs';
import { testDockerEndpoint, type CridockProcess } from '../../support/cridock-process.js';

/** What the process holds that could grow. */
export interface Holdings {
  readonly fds: number;
  readonly rssMib: number;
  readonly children: number;
  /** Connections to the Engine, of all its clients. */
  readonly engineConnections: number;
}

export function holdingsOf({ pid }: CridockProcess): Holdings {
  const folder = `/proc/${pid}`;
  const rssKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1]);
  const children = readFileSync(`${folder}/task/${pid}/children`, 'utf8');
  return {
    fds: readdirSync(`${folder}/fd`).length,
    rssMib: Math.round(rssKib / 1024),
    children: children.split(' ').filter(Boolean).length,
    engineConnections: connectionsTo(testDockerEndpoint.replace(/^unix:\/\//, '')),
  };
}

/** The accepted ends of connections to a unix socket. */
function connectionsTo(socketPath: string): number {
  const CONNECTED = '03';
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([, , , , , state, , where]) => state === CONNECTED && where === socketPath).length;
}
