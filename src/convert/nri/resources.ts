import type { LinuxContainerResources } from '../../gen/runtime/v1/LinuxContainerResources.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';

/** Limits in CRI's words as NRI tells them, beside the oom_score_adj. Zero stands for none, as in CRI. */
export function nriResources(cri: LinuxContainerResources): LinuxResources {
  const {
    cpu_shares: shares = 0,
    cpu_quota: quota = 0,
    cpu_period: period = 0,
    memory_limit_in_bytes: limit = 0,
    memory_swap_limit_in_bytes: swap = 0,
  } = cri;
  return {
    cpu: {
      shares: { value: shares },
      quota: { value: quota },
      period: { value: period },
      cpus: cri.cpuset_cpus ?? '',
      mems: cri.cpuset_mems ?? '',
    },
    memory: { limit: { value: limit }, ...(isSet(swap) && { swap: { value: swap } }) },
    hugepage_limits: cri.hugepage_limits ?? [],
    unified: cri.unified ?? {},
  };
}

function isSet(value: NonNullable<LinuxContainerResources['cpu_period']>): boolean {
  return value.toString() !== '0';
}
