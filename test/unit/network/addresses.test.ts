import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { interfaceAddresses, readPodAddresses } from '../../../src/network/addresses.js';
import { isLoopbackUp } from '../../../src/network/loopback.js';

const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';

/** A route table of [interface, destination, mask], as hex in the machine's byte order. */
function routes(...rows: [string, string, string][]): string {
  const lines = rows.map(
    ([name, dest, mask]) => `${name}\t${dest}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0   `,
  );
  return [HEAD, ...lines, ''].join('\n');
}

/** The trie prints each address in the main and in the local table. */
function trie(...addresses: string[]): string {
  const entries = ['127.0.0.1', ...addresses].map(
    (address) => `        |-- ${address}\n           /32 host LOCAL\n`,
  );
  const network =
    '     |-- 10.1.0.0\n        /16 link UNICAST\n     |-- 10.1.255.255\n        /32 link BROADCAST\n';
  const table = `  +-- 0.0.0.0/0 3 0 5\n${network}${entries.join('')}`;
  return `Main:\n${table}Local:\n${table}`;
}

describe('interfaceAddresses', () => {
  it('reads IPv4 first, then global IPv6', () => {
    const ifInet6 = [
      'fe800000000000000428a9fffe5e22fd 02 40 20 80     eth0',
      'fd000000000000000000000000000002 02 40 00 80     eth0',
      'fd010000000000000000000000000002 03 40 00 80     net1',
      '00000000000000000000000000000001 01 80 10 80       lo',
      '',
    ].join('\n');
    const tables = { fibTrie: trie('10.1.0.2'), route: routes(['eth0', '0000010A', '0000FFFF']), ifInet6 };
    assert.deepEqual(interfaceAddresses(tables, 'eth0'), ['10.1.0.2', 'fd00::2']);
    assert.deepEqual(interfaceAddresses(tables, 'net1'), ['fd01::2']);
  });

  it('leaves out addresses that belong to another interface', () => {
    const route = routes(
      ['eth0', '00000000', '00000000'],
      ['eth0', '0000010A', '0000FFFF'],
      ['net1', '0001A8C0', '00FFFFFF'],
    );
    const tables = { fibTrie: trie('10.1.0.2', '192.168.1.9'), route, ifInet6: '' };
    assert.deepEqual(interfaceAddresses(tables, 'eth0'), ['10.1.0.2']);
    assert.deepEqual(interfaceAddresses(tables, 'net1'), ['192.168.1.9']);
  });

  it('reads a /32 that only a default route or none at all covers', () => {
    const route = routes(['eth0', '00000000', '00000000'], ['eth0', '0101FEA9', 'FFFFFFFF']);
    assert.deepEqual(interfaceAddresses({ fibTrie: trie('192.168.3.4'), route, ifInet6: '' }, 'eth0'), [
      '192.168.3.4',
    ]);
    assert.deepEqual(interfaceAddresses({ fibTrie: trie('192.168.3.4'), route: HEAD, ifInet6: '' }, 'eth0'), [
      '192.168.3.4',
    ]);
  });

  it('has none for empty tables', () => {
    assert.deepEqual(interfaceAddresses({ fibTrie: '', route: '', ifInet6: '' }, 'eth0'), []);
  });
});

describe('a process that is gone', () => {
  it('has no addresses and no loopback', async () => {
    const pid = 2 ** 22 + 1; // beyond the largest pid
    assert.deepEqual(await readPodAddresses(pid), []);
    assert.equal(isLoopbackUp(pid), false);
  });
});
