import { Field } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { Field__Output } from '../../gen/nri/pkg/api/v1alpha1/Field.js';
import type { LinuxCPU__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxCPU.js';
import type { LinuxMemory__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxMemory.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import type { LinuxResources__Output } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';

const MEMORY: readonly (readonly [keyof LinuxMemory__Output, Field__Output])[] = [
  ['limit', Field.MemLimit],
  ['reservation', Field.MemReservation],
  ['swap', Field.MemSwapLimit],
  ['kernel', Field.MemKernelLimit],
  ['kernel_tcp', Field.MemTCPLimit],
  ['swappiness', Field.MemSwappiness],
  ['disable_oom_killer', Field.MemDisableOomKiller],
  ['use_hierarchy', Field.MemUseHierarchy],
];
const CPU: readonly (readonly [keyof LinuxCPU__Output, Field__Output])[] = [
  ['shares', Field.CPUShares],
  ['quota', Field.CPUQuota],
  ['period', Field.CPUPeriod],
  ['realtime_runtime', Field.CPURealtimeRuntime],
  ['realtime_period', Field.CPURealtimePeriod],
  ['cpus', Field.CPUSetCPUs],
  ['mems', Field.CPUSetMems],
];

/**
 * `before` with what a plugin asks for in the place of what it had; what it does not ask for stays. `claim` is called for each field
 * that it sets, and may throw.
 */
export function mergeResources(
  before: LinuxResources,
  asked: LinuxResources__Output,
  claim: (field: Field__Output, key?: string) => void,
): LinuxResources {
  const merged: LinuxResources = {
    ...before,
    memory: { ...before.memory, ...claimed(asked.memory, MEMORY, claim) },
    cpu: { ...before.cpu, ...claimed(asked.cpu, CPU, claim) },
  };
  for (const { page_size: size } of asked.hugepage_limits) claim(Field.HugepageLimits, size);
  const sizes = new Set(asked.hugepage_limits.map(({ page_size: size }) => size));
  merged.hugepage_limits = [
    ...(before.hugepage_limits ?? []).filter(({ page_size: size = '' }) => !sizes.has(size)),
    ...asked.hugepage_limits,
  ];
  for (const key of Object.keys(asked.unified)) claim(Field.CgroupsUnified, key);
  merged.unified = { ...before.unified, ...asked.unified };
  merged.devices = [...(before.devices ?? []), ...asked.devices];
  if (asked.blockio_class !== null) {
    claim(Field.BlockioClass);
    merged.blockio_class = asked.blockio_class;
  }
  if (asked.rdt_class !== null) {
    claim(Field.RdtClass);
    merged.rdt_class = asked.rdt_class;
  }
  if (asked.pids !== null) {
    claim(Field.PidsLimit);
    merged.pids = asked.pids;
  }
  return merged;
}

function claimed<Part extends object>(
  asked: Part | null,
  fields: readonly (readonly [keyof Part, Field__Output])[],
  claim: (field: Field__Output) => void,
): Partial<Part> {
  if (asked === null) return {};
  const set: Partial<Part> = {};
  for (const [name, field] of fields) {
    const value = asked[name];
    if (value === null || value === '') continue;
    claim(field);
    set[name] = value;
  }
  return set;
}
