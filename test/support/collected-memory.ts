import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { CridockProcess } from './cridock-process.js';
import { until } from './until.js';

const FILE = 'memory.json';
const MIB = 1024 * 1024;

/** Collects on SIGUSR2, in several turns: what a collection finds dead outside the heap is freed later. */
const COLLECT = `
  import { renameSync, writeFileSync } from 'node:fs';
  import { setTimeout as delay } from 'node:timers/promises';
  const flag = process.argv.find((one) => one.startsWith('--cri-dockerd-root-directory='));
  const file = flag.slice(flag.indexOf('=') + 1) + '/../${FILE}';
  process.on('SIGUSR2', async () => {
    for (let turns = 0; turns < 5; turns += 1) {
      globalThis.gc();
      await delay(20);
    }
    writeFileSync(file + '.new', JSON.stringify(process.memoryUsage()));
    renameSync(file + '.new', file);
  });`;

/** Flags of Node with which cridock tells its memory to `collectedMemory`. */
export const COLLECTING_FLAGS: readonly string[] = [
  '--enable-source-maps',
  '--expose-gc',
  '--import',
  `data:text/javascript,${encodeURIComponent(COLLECT)}`,
];

export interface CollectedMemory {
  /** Objects of JavaScript and what belongs to them, such as buffers. */
  readonly heldMib: number;
  /** Of the process, with what V8 and malloc keep for later use. */
  readonly rssMib: number;
}

/** What cridock holds when nothing is left that a collection would free: unlike the process' size it tells of leaks alone. */
export async function collectedMemory({ pid, directory }: CridockProcess): Promise<CollectedMemory> {
  const file = path.join(directory, FILE);
  let usage: NodeJS.MemoryUsage | undefined;
  process.kill(pid, 'SIGUSR2');
  await until(
    'its memory',
    () => {
      try {
        usage = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.MemoryUsage;
        return true;
      } catch {
        return false; // not yet
      }
    },
    60_000,
  );
  if (usage === undefined) throw new Error(`no memory in ${file}`);
  rmSync(file);
  return { heldMib: (usage.heapUsed + usage.external) / MIB, rssMib: usage.rss / MIB };
}
