import { readFile } from 'node:fs/promises';
import { SocketAddress } from 'node:net';

/** What `/proc/<pid>/net` tells of addresses, as text. */
export interface AddressTables {
  /** IPv4 routes as a trie; local ones are the addresses. They do not name their interface. */
  fibTrie: string;
  /** IPv4 routes with their interfaces. */
  route: string;
  /** IPv6 addresses. */
  ifInet6: string;
}

/**
 * The global addresses of `eth0` in the network namespace of a process, IPv4 first, without running anything. For
 * pods of which no CNI result is recorded. Empty when the process is gone.
 */
export async function readPodAddresses(pid: number): Promise<string[]> {
  const read = (name: string): Promise<string> =>
    readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '');
  const [fibTrie, route, ifInet6] = await Promise.all([read('fib_trie'), read('route'), read('if_inet6')]);
  return interfaceAddresses({ fibTrie, route, ifInet6 }, 'eth0');
}

/** The global addresses of one interface, IPv4 first. */
export function interfaceAddresses(tables: AddressTables, ifName: string): string[] {
  const routes = parseRoutes(tables.route);
  const ipv4 = localAddresses(tables.fibTrie).filter((address) => {
    const owner = interfaceTowards(toNumber(address), routes);
    return owner === undefined || owner === ifName;
  });
  return [...ipv4, ...ipv6Addresses(tables.ifInet6, ifName)];
}

/** The IPv4 addresses of all interfaces but loopback: `|-- 10.1.0.2` followed by `/32 host LOCAL`. */
function localAddresses(fibTrie: string): string[] {
  const matches = fibTrie.matchAll(/\|-- (\S+)\n\s*\/32 host LOCAL/g);
  const addresses = new Set([...matches].map(([, address = '']) => address));
  return [...addresses].filter((address) => !address.startsWith('127.'));
}

interface Route {
  ifName: string;
  destination: number;
  mask: number;
}

/** `/proc/net/route`: a head line, then interface, destination, gateway, flags ... mask; numbers little-endian. */
function parseRoutes(text: string): Route[] {
  const rows = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  return rows
    .filter((row) => row.length >= 8)
    .map(([ifName = '', destination = '', , , , , , mask = '']) => ({
      ifName,
      destination: fromLittleEndian(destination),
      mask: fromLittleEndian(mask),
    }));
}

/** An address belongs to the interface that the closest route to it goes through. */
function interfaceTowards(address: number, routes: Route[]): string | undefined {
  const matching = routes.filter(({ destination, mask }) => (address & mask) >>> 0 === destination);
  return matching.sort((a, b) => b.mask - a.mask)[0]?.ifName;
}

function fromLittleEndian(hex: string): number {
  return Buffer.from(hex.padStart(8, '0'), 'hex').readUInt32LE();
}

function toNumber(ipv4: string): number {
  return Buffer.from(ipv4.split('.').map(Number)).readUInt32BE();
}

/** `/proc/net/if_inet6`: address, index, prefix length, scope, flags, interface; all but the last in hex. */
function ipv6Addresses(text: string, ifName: string): string[] {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, , , scope, , name]) => scope === '00' && name === ifName)
    .map(([digits = '']) => digits.replace(/(.{4})(?!$)/g, '$1:'))
    .map((address) => new SocketAddress({ family: 'ipv6', address }).address);
}
