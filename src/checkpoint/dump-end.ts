import { access, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isMissingOrOther } from '../util/is-missing.js';
import { parseStat, treeIsAlive } from '../util/process-tree.js';

/** Name in the work folder of what the kernel says of the process that dumps, by which it is known later. */
export const PROCESS = 'process';
/** Between two looks whether it has ended: at first, and at the longest. */
const END_PAUSE_MS = 200;
const LONGEST_END_PAUSE_MS = 5_000;
const SYSTEMD_RUNS = '/run/systemd/system';

/** The command line that runs a command with this work folder: where systemd runs, as a unit of its own. */
export async function apart(command: readonly string[], work: string): Promise<string[]> {
  if (!(await isSystemd())) return [...command];
  const unit = `--unit=${unitOf(work)}`;
  return ['systemd-run', '--quiet', '--collect', '--wait', '--pipe', unit, ...command];
}

/**
 * Whether the process with this work folder, or what it has started, is still at it. The process lets the container go on at its
 * end, unless it was killed; one that has not told of itself yet finds no folder, or nobody to freeze the container for. True where
 * that cannot be read, as without file descriptors: what is at it must not be disturbed.
 */
export async function isDumping(work: string): Promise<boolean> {
  try {
    const stat = await readFile(join(work, PROCESS), 'utf8');
    return stat.endsWith('\n') && (await treeIsAlive(parseStat(stat)));
  } catch (error) {
    return !isMissingOrOther(error);
  }
}

/** By what a person finds it, to end it: the group of its processes, and its unit where systemd runs it. */
export async function nameOfDump(work: string): Promise<string> {
  const [pid = ''] = (await readFile(join(work, PROCESS), 'utf8').catch(() => '')).split(' ');
  return `process group ${pid || 'unknown'}${(await isSystemd()) ? ` of unit ${unitOf(work)}` : ''}`;
}

/**
 * Resolves when it is not, and does not reject; keeps no process from ending. A look reads all of /proc, so that what takes long is
 * looked at ever more rarely.
 */
export async function dumpEnded(work: string, pause = unheld): Promise<void> {
  let pauseMs = END_PAUSE_MS;
  while (await isDumping(work)) {
    await pause(pauseMs);
    pauseMs = Math.min(2 * pauseMs, LONGEST_END_PAUSE_MS);
  }
}

async function unheld(pauseMs: number): Promise<void> {
  await delay(pauseMs, undefined, { ref: false });
}

async function isSystemd(): Promise<boolean> {
  return access(SYSTEMD_RUNS).then(
    () => true,
    () => false,
  );
}

function unitOf(work: string): string {
  return `cridock-checkpoint-${basename(work)}`;
}
