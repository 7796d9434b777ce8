import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CgroupWrite } from '../convert/limits/cgroup-writes.js';
import type { NodeLimits } from '../convert/limits/node-limits.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { containerCgroup, KERNEL_PATHS, type ContainerCgroup, type KernelPaths } from './container-cgroup.js';

const LONGEST_BUSY_MS = 1000;
const BUSY_PAUSE_MS = 20;

/** A container that runs. */
export interface LimitedContainer {
  readonly id: string;
  /** Host pid of its first process. */
  readonly pid: number;
}

/**
 * Sets a running container's limits in its cgroup's files and its processes' oom_score_adj. Setting them again changes
 * nothing. FAILED_PRECONDITION, naming the file, when the kernel refuses one that is required. When the container has ended
 * meanwhile, which Docker may tell only later, there is nothing left to limit: that is a success.
 */
export async function setNodeLimits(
  container: LimitedContainer,
  limits: NodeLimits,
  cgroupVersion: 1 | 2,
  paths: KernelPaths = KERNEL_PATHS,
): Promise<void> {
  if (limits.cgroup.length === 0 && limits.oomScoreAdj === undefined) return;
  try {
    await setAll(container, limits, cgroupVersion, paths);
  } catch (error) {
    if (!(await hasEnded(container.pid, paths))) throw error;
  }
}

async function setAll(
  container: LimitedContainer,
  limits: NodeLimits,
  cgroupVersion: 1 | 2,
  paths: KernelPaths,
): Promise<void> {
  const cgroup = await containerCgroup(container.id, container.pid, paths).catch((error: unknown) => {
    throw refusal(container.id, 'its cgroup', error);
  });
  for (const write of limits.cgroup) await writeLimit(container.id, cgroup, write, cgroupVersion);
  if (limits.oomScoreAdj !== undefined) await setOomScoreAdj(container, cgroup, limits.oomScoreAdj, paths);
}

async function writeLimit(
  containerId: string,
  cgroup: ContainerCgroup,
  { file, value, required }: CgroupWrite,
  cgroupVersion: 1 | 2,
): Promise<void> {
  const path = cgroup.file(file, cgroupVersion);
  try {
    if (path === undefined) throw new Error('this node has no such cgroup controller');
    await writeOnceFree(path, value);
  } catch (error) {
    if (required) throw refusal(containerId, `cgroup file ${file}`, error);
  }
}

/**
 * On cgroup v1 a memory limit below the present use is refused with EBUSY: just after the start that may be the OCI runtime's
 * own, which is about to give way to the container's program.
 */
async function writeOnceFree(path: string, value: string): Promise<void> {
  const giveUpAtMs = performance.now() + LONGEST_BUSY_MS;
  for (;;) {
    try {
      // Cgroup files exist or not: none must be made where a tree of files stands for them.
      await writeFile(path, value, { flag: 'r+' });
      return;
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && error.code === 'EBUSY';
      if (!isBusy || performance.now() >= giveUpAtMs) throw error;
      await delay(BUSY_PAUSE_MS);
    }
  }
}

/**
 * For the first process, and all that still have the value which they inherited from it. One that ends meanwhile needs
 * none.
 */
async function setOomScoreAdj(
  { id, pid }: LimitedContainer,
  cgroup: ContainerCgroup,
  value: number,
  { proc }: KernelPaths,
): Promise<void> {
  const fileOf = (process: number): string => join(proc, String(process), 'oom_score_adj');
  try {
    const inherited = await readFile(fileOf(pid), 'utf8');
    await writeFile(fileOf(pid), String(value));
    for (const other of await cgroup.pids()) {
      const present = await readFile(fileOf(other), 'utf8').catch(() => undefined);
      if (other !== pid && present === inherited) await writeFile(fileOf(other), String(value)).catch(ifGone);
    }
  } catch (error) {
    throw refusal(id, 'oom_score_adj', error);
  }
}

/** A process with this flag is on its way out, and shown in none of its cgroups of version 1 (PF_EXITING). */
const EXITING = 0x4;

/**
 * With its first process a container ends: the others are killed. One that nobody has waited for yet is a zombie; for a
 * while before that, longer on a busy node, its flags alone tell.
 */
async function hasEnded(pid: number, { proc }: KernelPaths): Promise<boolean> {
  try {
    const stat = await readFile(join(proc, String(pid), 'stat'), 'latin1');
    const [state = '', , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 'ZX'.includes(state) || (Number(flags) & EXITING) !== 0;
  } catch (error) {
    return isGone(error);
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}

function ifGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

function refusal(containerId: string, what: string, cause: unknown): CriError {
  return new CriError(
    Code.FAILED_PRECONDITION,
    `container ${containerId}: cannot set ${what}: ${messageOf(cause)}`,
    { cause },
  );
}
