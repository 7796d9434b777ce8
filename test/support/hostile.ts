import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { forEachLimited } from '../../src/util/concurrency.js';
import type { Connection } from './echo-sessions.js';
import { seededRandom } from './random.js';

/** How many mutated frames, messages and requests, each; CRIDOCK_FUZZ=1000000 for the long run. */
export const ROUNDS = Number(process.env['CRIDOCK_FUZZ'] ?? 4_000);
export const SEED = Number(process.env['CRIDOCK_TEST_SEED'] ?? 4);
const MIB = 1024 * 1024;
const MAX_GROWTH_BYTES = 16 * MIB;
/** Attacks between two looks at what must not be touched: the tokens of a minute's attacks must not be too many. */
export const CHECK_EVERY = 1_000;
/** Attacks at a time. */
const LANES = 8;

export type Random = () => number;

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

export function pick<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[below(random, values.length)] ?? values[0];
}

/** One to three times some bytes changed, cut out, doubled or put in; never the same as before. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let mutated = Buffer.from(bytes);
  for (let times = 1 + below(random, 3); times > 0; times -= 1) {
    const at = below(random, mutated.length);
    const end = at + below(random, 12);
    const kind = below(random, 4);
    if (kind === 0 && mutated.length > 0) mutated[at] = below(random, 256);
    if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(end)]);
    if (kind === 2) mutated = Buffer.concat([mutated.subarray(0, end), mutated.subarray(at)]);
    if (kind === 3) {
      const frameStart = Buffer.of(0x80, 3, 0, below(random, 12));
      mutated = Buffer.concat([mutated.subarray(0, at), frameStart, mutated.subarray(at)]);
    }
  }
  return mutated.equals(bytes) ? Buffer.concat([bytes, Buffer.of(below(random, 256))]) : mutated;
}

/** Runs `attack` on and on, some at a time, until they have counted ROUNDS; each gets a generator seeded by its number. */
export async function assail(attack: (random: Random, number: number) => Promise<number>): Promise<void> {
  let done = 0;
  const numbers = function* (): Generator<number> {
    for (let number = 0; done < ROUNDS; number += 1) yield number;
  };
  await forEachLimited(numbers(), LANES, async (number) => {
    done += await attack(seededRandom(SEED + number), number);
  });
}

/**
 * Sends the request and what follows it until the server ends the connection, which is lost then. Returns how many pieces
 * were sent of those that are mutated.
 */
export async function sendAll(
  { near, far }: Connection,
  request: string,
  pieces: Iterable<{ bytes: Buffer; mutated: boolean }>,
): Promise<number> {
  let sent = 0;
  near.write(request);
  await turn();
  for (const { bytes, mutated } of pieces) {
    if (far.destroyed) break;
    if (mutated) sent += 1;
    near.write(bytes);
    if (sent % 4 === 0) await turn(); // what the server does later, in this process too
  }
  await turn();
  far.destroy();
  return sent;
}

/** The text of a GET request for an upgrade. */
export function upgradeRequest(url: URL, headers: Readonly<Record<string, string>>): string {
  const all = { Host: url.host, Connection: 'Upgrade', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`GET ${url.pathname} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** What is held for a while only is gone by then. */
const SETTLED_WITHIN_MS = 30_000;

/**
 * Runs the work twice, and asserts that the second time leaves neither memory nor open files behind: by then pools are filled, such
 * as Node's of HTTP parsers, whose buffers Node.js 24 counts.
 */
export async function assertNoGrowth(work: () => Promise<void>): Promise<void> {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  const held = async () => {
    // What a collection finds dead outside the heap, such as zlib's state, is freed in a later turn.
    for (let turns = 0; turns < 20; turns += 1) {
      if (turns % 10 === 9) collect();
      await turn();
    }
    const { heapUsed, external } = process.memoryUsage();
    return { bytes: heapUsed + external, fds: readdirSync('/proc/self/fd').length };
  };
  await work();
  const before = await held();
  await work();
  // Connections that have been cut are held a moment longer, by Node's own timers: their buffers are 14 MiB on Node.js 24.
  const giveUpMs = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const after = await held();
    const grownBytes = after.bytes - before.bytes;
    if (after.fds <= before.fds && grownBytes < MAX_GROWTH_BYTES) return;
    const grown = `the heap grew by ${(grownBytes / MIB).toFixed(0)} MiB, and ${after.fds - before.fds} more files are open`;
    assert.ok(performance.now() < giveUpMs, grown);
    await delay(100);
  }
}
