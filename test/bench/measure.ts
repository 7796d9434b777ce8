import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Linux counts CPU time in /proc in these units; it is 100 Hz everywhere that Node runs. */
const TICKS_PER_SECOND = 100;

/** How deploy/package and deploy/systemd start it: memory is kept small, as cridock has little to compute. */
export const SHIPPED_NODE_FLAGS = [
  '--max-semi-space-size=4',
  '--optimize-for-size',
  '--heap-growing-percent=50',
  '--v8-pool-size=1',
  '--no-concurrent-sparkplug',
];

export const SHIPPED_ENV = { MALLOC_ARENA_MAX: '1' };

/** How long `work` takes, in milliseconds. */
export async function timedMs(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

type Contestants<Name extends string> = Record<Name, () => Promise<unknown>>;

/** Runs the contestants in turn, `rounds` times each, so that a noisy machine is noisy for all; milliseconds. */
export async function interleaved<Name extends string>(
  rounds: number,
  contestants: Contestants<Name>,
): Promise<Record<Name, number[]>> {
  return measured(rounds, contestants, (names) => names);
}

/**
 * As `interleaved`, for contestants that do not need each other: in a new order each round, so that none always follows
 * the one that leaves the machine's caches coldest. With a rest before each, none pays for what the Engine still clears away
 * after the one before it.
 */
export async function shuffled<Name extends string>(
  rounds: number,
  contestants: Contestants<Name>,
  restMs?: number,
): Promise<Record<Name, number[]>> {
  const order = (names: Name[]): Name[] =>
    names
      .map((name) => ({ name, place: Math.random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ name }) => name);
  return measured(rounds, contestants, order, restMs);
}

async function measured<Name extends string>(
  rounds: number,
  contestants: Contestants<Name>,
  order: (names: Name[]) => Name[],
  restMs?: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of order(names)) {
      if (restMs !== undefined) await delay(restMs);
      times[name].push(await timedMs(contestants[name]));
    }
  }
  return times;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** CPU time, user and system, that a process has used, in milliseconds. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MB. */
export function rssMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
