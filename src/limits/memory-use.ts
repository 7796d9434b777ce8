import { readFile } from 'node:fs/promises';
import type { MemoryLimits } from '../convert/limits/memory-limits.js';
import { Code, CriError } from '../util/cri-error.js';
import { containerCgroup, KERNEL_PATHS, type ContainerCgroup, type KernelPaths } from './container-cgroup.js';
import type { LimitedContainer } from './set-limits.js';

/** Members of memory.stat that the kernel gives back before it kills. */
const RECLAIMABLE = ['inactive_file', 'active_file', 'slab_reclaimable'];

/**
 * Refuses a new memory limit that a running container on cgroup v2 has outgrown: the kernel takes it there, and kills. (On v1 the
 * kernel refuses it by itself.) The kubelet looks before it asks, but lets time pass in between; runc looks with its
 * checkBeforeUpdate, which Docker does not offer, and counts caches, for which alone nothing is killed.
 * Throws FAILED_PRECONDITION. A use that cannot be read is none.
 */
export async function checkMemoryUse(
  container: LimitedContainer,
  wanted: MemoryLimits,
  inForce: MemoryLimits,
  paths: KernelPaths = KERNEL_PATHS,
): Promise<void> {
  const isLower = wanted.memory > 0 && (inForce.memory <= 0 || wanted.memory < inForce.memory);
  if (!isLower) return;
  const needed = await containerCgroup(container.id, container.pid, paths)
    .then(neededBytes)
    .catch(() => 0);
  if (needed < wanted.memory) return;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    `linux.memory_limit_in_bytes: container ${container.id} uses ${needed} bytes, caches left out: ` +
      `a limit of ${wanted.memory} would kill it`,
  );
}

async function neededBytes(cgroup: ContainerCgroup): Promise<number> {
  const read = async (name: string): Promise<string> => readFile(cgroup.file(name, 2) ?? '', 'utf8');
  const [current, stat] = await Promise.all([read('memory.current'), read('memory.stat')]);
  const figure = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  const reclaimable = RECLAIMABLE.reduce((sum, name) => sum + figure(name), 0);
  return Number(current) - reclaimable;
}
