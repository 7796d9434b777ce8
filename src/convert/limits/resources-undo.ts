import type { HostConfig, Resources } from '../../docker/types.js';
import { UNLIMITED_MEMORY } from './memory-limits.js';

/** What Docker has where nothing was asked for. */
const UNSET = { CpuPeriod: 100_000, CpuQuota: -1, CpuShares: 1024, PidsLimit: -1 };

/**
 * The update that puts back what `change` changed. A cpuset where there was none stays: it cannot be unset, and which
 * CPUs are the pod's own cgroup says.
 */
export function undoOf(change: Resources, before: HostConfig): Resources {
  const {
    CpuPeriod,
    CpuQuota,
    CpuShares,
    CpusetCpus,
    CpusetMems,
    Memory,
    MemorySwap = 0,
    PidsLimit,
  } = before;
  return {
    ...(change.CpuPeriod !== undefined && { CpuPeriod: CpuPeriod || UNSET.CpuPeriod }),
    ...(change.CpuQuota !== undefined && { CpuQuota: CpuQuota || UNSET.CpuQuota }),
    ...(change.CpuShares !== undefined && { CpuShares: CpuShares || UNSET.CpuShares }),
    ...(change.CpusetCpus !== undefined && CpusetCpus && { CpusetCpus }),
    ...(change.CpusetMems !== undefined && CpusetMems && { CpusetMems }),
    ...(change.PidsLimit !== undefined && { PidsLimit: PidsLimit || UNSET.PidsLimit }),
    ...(change.Memory !== undefined && (Memory ? { Memory, MemorySwap } : UNLIMITED_MEMORY)),
  };
}
