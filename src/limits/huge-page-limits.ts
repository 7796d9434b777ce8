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
  if (limits.cgroup.length === 0 || !(await hasController(paths))) return false;
  const names = await readdir(paths.sizes).catch(() => []);
  const sizes = new Set(names.map(sizeOf));
  return limits.cgroup.some(({ file }) => sizes.has(file.split('.')[1]));
}

async function hasController({ mountinfo }: HugePagePaths): Promise<boolean> {
  const roots = controllerRoots(await readFile(mountinfo, 'utf8'));
  if (roots.has('hugetlb')) return true;
  const unified = roots.get('');
  if (unified === undefined) return false;
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
