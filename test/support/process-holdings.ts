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
  return {
    fds: readdirSync(`${folder}/fd`).length,
    children: childrenOf(pid),
    rssMib: rssKib / 1024,
  };
}

/** How many processes it has started that run, besides the helper that starts CNI plugins, which stays. */
export function childrenOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.filter((child) => !commandOf(child).includes('plugin-runner')).length;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}

/** How many connections a unix socket has accepted, of all its clients, and not lost. */
export function connectionsTo(socketPath: string): number {
  const CONNECTED = '03';
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([, , , , , state, , where]) => state === CONNECTED && where === socketPath).length;
}
