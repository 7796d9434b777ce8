import { closeSync, openSync, readSync } from 'node:fs';

/** Of a pod that was just made a table of routes or addresses has some hundred bytes. */
const MOST_BYTES = 16 * 1024;

/**
 * Whether the loopback interface is up in the network namespace of a process: only then the kernel has a local
 * route for 127.0.0.1 or lists an IPv6 address of `lo`. False when the process is gone. Reads no more than the beginning of what the
 * kernel has in memory, at once.
 */
export function isLoopbackUp(pid: number): boolean {
  const buffer = Buffer.alloc(MOST_BYTES);
  const read = (name: string): string => beginningOf(`/proc/${pid}/net/${name}`, buffer);
  return /\b127\.0\.0\.1\n\s*\/32 host LOCAL/.test(read('fib_trie')) || /\blo$/m.test(read('if_inet6'));
}

function beginningOf(path: string, buffer: Buffer): string {
  try {
    const file = openSync(path, 'r');
    try {
      return buffer.toString('latin1', 0, readSync(file, buffer));
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
