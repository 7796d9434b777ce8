import { readFile } from 'node:fs/promises';

/**
 * Whether the loopback interface is up in the network namespace of a process: only then the kernel has a local
 * route for 127.0.0.1 or lists an IPv6 address of `lo`. False when the process is gone.
 */
export async function isLoopbackUp(pid: number): Promise<boolean> {
  const read = (name: string): Promise<string> =>
    readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '');
  const [routes, ipv6Addresses] = await Promise.all([read('fib_trie'), read('if_inet6')]);
  return /\b127\.0\.0\.1\n\s*\/32 host LOCAL/.test(routes) || /\blo$/m.test(ipv6Addresses);
}
