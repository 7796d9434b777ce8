import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';

/** One process of the host. Its pid alone may be another's tomorrow: with its start time it is this one's for ever. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parentPid: number;
  /** The pid of the process that opened its session. */
  readonly session: number;
  /** Clock ticks since the host booted. */
  readonly startTicks: number;
  /** Ended, and not yet waited for by its parent. */
  readonly zombie: boolean;
}

/** Some fifty numbers, and a name of at most 15 characters (64 for a kernel thread). */
const MAX_STAT_BYTES = 2_048;
/** What the system answers when it has no room for another open file: that says nothing of the process. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);
/** Entries of /proc read before other work gets its turn. */
const READS_AT_A_STRETCH = 128;
/** Processes that fork while they are killed need another look. */
const MAX_ROUNDS = 20;
const ROUND_PAUSE_MS = 5;

/** What /proc/<pid>/stat says; undefined when there is no such process. Throws where nothing can be read now. */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    return parseStat(readSmallFile(`/proc/${pid}/stat`));
  } catch (error) {
    if (error instanceof Error && 'code' in error && EXHAUSTED.has(error.code)) throw error;
    return undefined;
  }
}

/** Reads the text of a `/proc/<pid>/stat`. */
export function parseStat(stat: string): ProcessFacts {
  // The program's name, in parentheses, may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number(stat.slice(0, stat.indexOf(' '))),
    parentPid: Number(fields[1]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
  };
}

/** `readFileSync` takes 64 KiB of memory for each file of /proc, as these tell no size: too much for all processes. */
function readSmallFile(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(MAX_STAT_BYTES);
    return buffer.toString('latin1', 0, readSync(fd, buffer));
  } finally {
    closeSync(fd);
  }
}

/** True when both processes run and are in one mount namespace, which each container has for itself. */
export function sameMountNamespace(pid: number, otherPid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync(`/proc/${otherPid}/ns/mnt`);
  } catch {
    return false;
  }
}

/**
 * Sends a signal to a session leader and all that came from it: the members of its session, also when their parents
 * have ended, and descendants with sessions of their own. Repeats until none is left for SIGKILL; other signals
 * are sent once. Returns how many processes were signalled.
 */
export async function signalTree(leader: ProcessFacts, signal: NodeJS.Signals): Promise<number> {
  const sessions = new Set([leader.pid]);
  let signalled = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const members = membersOf(await allProcesses(), leader, sessions);
    if (members.length === 0) break;
    for (const member of members) if (send(member, signal)) signalled += 1;
    if (signal !== 'SIGKILL') break;
    await delay(ROUND_PAUSE_MS);
  }
  return signalled;
}

/** True while any process of the tree runs. Rejects where that cannot be read now. */
export async function treeIsAlive(leader: ProcessFacts): Promise<boolean> {
  return membersOf(await allProcesses(), leader, new Set([leader.pid])).length > 0;
}

/** The tree's processes that run. Adds to `sessions` those that descendants opened, so that their orphans are found. */
function membersOf(all: ProcessFacts[], leader: ProcessFacts, sessions: Set<number>): ProcessFacts[] {
  const children = new Map<number, ProcessFacts[]>();
  for (const process of all) {
    const siblings = children.get(process.parentPid);
    if (siblings === undefined) children.set(process.parentPid, [process]);
    else siblings.push(process);
  }
  // The kernel gives a pid away again only when the session of that number has no members left.
  const reused = all.some(({ pid, startTicks }) => pid === leader.pid && startTicks !== leader.startTicks);
  if (reused) sessions.delete(leader.pid);
  const isOurs = ({ session, startTicks }: ProcessFacts) =>
    sessions.has(session) && startTicks >= leader.startTicks;
  const members = new Set(all.filter(isOurs));
  for (const member of members) {
    sessions.add(member.session);
    for (const child of children.get(member.pid) ?? []) members.add(child);
  }
  return [...members].filter(({ zombie }) => !zombie);
}

async function allProcesses(): Promise<ProcessFacts[]> {
  const found: ProcessFacts[] = [];
  let read = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = readProcess(Number(name));
    if (process !== undefined) found.push(process);
    read += 1;
    if (read % READS_AT_A_STRETCH === 0) await setImmediate();
  }
  return found;
}

/** Looks once more, directly before, that the pid is still that process's. */
function send({ pid, startTicks }: ProcessFacts, signal: NodeJS.Signals): boolean {
  try {
    return readProcess(pid)?.startTicks === startTicks && process.kill(pid, signal);
  } catch {
    return false; // gone since, or for the next round
  }
}
