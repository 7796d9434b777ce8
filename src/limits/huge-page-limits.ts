import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeLimits } from '../convert/limits/node-limits.js';
import { controllerRoots } from './container-cgroup.js';

/** The kernel's own folders; tests put trees of their own there. */
export interface HugePagePaths {
  readonly mountinfo: string;
  /** A folder for each page size that the kernel has. */
  readonly sizes: string;
}

const PATHS: HugePagePaths = { mountinfo: '/proc/self/mountinfo', sizes: '/sys/kernel/mm/hugepages' };
const UNITS = ['KB', 'MB', 'GB'];

/**
 * True when there is something to set on this node. Kubelets limit the huge pages of every container, by sizes that they
 * know: where the kernel has no pages of a size, or no limits of them, zero is what a container gets without any.
 */
export async function needsSetting(limits: NodeLimits, paths = PATHS): Promise<boolean> {
  if (limits.oomScoreAdj !== undefined) return true;
  if (limits.cgroup.some(({ required }) => required)) return true;
  if (limits.cgroup.length === 0) return false;
  const sizes = await limitedSizes(paths);
  return limits.cgroup.some(({ file }) => sizes.has(file.split('.')[1] ?? ''));
}

/** The page sizes, such as `2MB`, that the kernel has and can limit. */
export async function limitedSizes(paths = PATHS): Promise<ReadonlySet<string>> {
  if (!(await hasController(paths))) return new Set();
  const names = await readdir(paths.sizes).catch(() => []);
  return new Set(names.flatMap((name) => sizeOf(name) ?? []));
}

async function hasController({ mountinfo }: HugePagePaths): Promise<boolean> {
  const roots = controllerRoots(await readFile(mountinfo, 'utf8'));
  if (roots.has('hugetlb')) return true;
  const unified = roots.get('');
  // Beside hierarchies of cgroup v1 it is not where containers are.
  if (unified === undefined || roots.has('memory')) return false;
  const controllers = await readFile(join(unified.mountPoint, 'cgroup.controllers'), 'utf8').catch(() => '');
  return controllers.trim().split(' ').includes('hugetlb');
}

/** `2MB` for `hugepages-2048kB`, as in the names of cgroup files. */
function sizeOf(folder: string): string | undefined {
  const kilobytes = /^hugepages-(\d+)kB$/.exec(folder)?.[1];
  if (kilobytes === undefined) return undefined;
  let [size, unit] = [Number(kilobytes), 0];
  while (size % 1024 === 0 && unit < UNITS.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${size}${UNITS[unit]}`;
}
