import { readFileSync, readdirSync } from 'node:fs';

/** What a process holds that could grow. */
export interface ProcessHoldings {
  readonly fds: number;
  readonly children: number;
  readonly rssMib: number;
}

export function holdingsOf(pid: number): ProcessHoldings {
  const folder = `/proc/${pid}`;
  const rssKib = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1]);
  const children = readFileSync(`${folder}/task/${pid}/children`, 'utf8');
  return {
    fds: readdirSync(`${folder}/fd`).length,
    children: children.split(' ').filter(Boolean).length,
    rssMib: rssKib / 1024,
  };
}

/** How many connections a unix socket has accepted, of all its clients, and not lost. */
export function connectionsTo(socketPath: string): number {
  const CONNECTED = '03';
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([, , , , , state, , where]) => state === CONNECTED && where === socketPath).length;
}
