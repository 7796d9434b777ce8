import type { HostConfig, Resources } from '../../docker/types.js';
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from '../../gen/runtime/v1/LinuxContainerResources.js';
import { invalidArgument } from '../../util/cri-error.js';
import { cgroupWrites, type CgroupWrite } from './cgroup-writes.js';
import { hugePageLimits, rawKeys, type NodeLimits } from './node-limits.js';
import { memoryInForce, memoryLimits, type MemoryLimits } from './memory-limits.js';
import { requireInteger } from '../text/validate.js';

const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_CPU = 2 ** 31 - 1;
const NUMBER_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** Limits, split into what Docker sets and what cridock writes into the cgroup itself. */
export interface SplitResources {
  docker: Resources;
  writes: CgroupWrite[];
}

/** The limits of a new container; zero and empty members of the request mean "none". */
export function createResources(
  resources: LinuxContainerResources__Output | null,
  cgroupVersion: 1 | 2,
): SplitResources {
  if (resources === null) return { docker: {}, writes: [] };
  return splitResources('config.linux.resources', resources, cgroupVersion);
}

/**
 * A change of limits, Docker's part as the body of its update. Zero and empty members of the request leave the present
 * value, for the CRI as for Docker. Memory and swap go together: Docker refuses a limit above the swap limit it has.
 */
export function updateResources(
  resources: LinuxContainerResources__Output,
  cgroupVersion: 1 | 2,
  inForce: MemoryLimits,
): SplitResources {
  return splitResources('linux', resources, cgroupVersion, inForce);
}

/** The limits that hold, in CRI's words: Docker's record, and what was written beside it. */
export function criResources(hostConfig: HostConfig, limits: NodeLimits): LinuxContainerResources {
  const { memory, withSwap } = memoryInForce(hostConfig, limits.cgroup);
  return {
    cpu_period: hostConfig.CpuPeriod ?? 0,
    cpu_quota: hostConfig.CpuQuota ?? 0,
    cpu_shares: hostConfig.CpuShares ?? 0,
    memory_limit_in_bytes: memory,
    memory_swap_limit_in_bytes: withSwap,
    oom_score_adj: limits.oomScoreAdj ?? hostConfig.OomScoreAdj ?? 0,
    cpuset_cpus: hostConfig.CpusetCpus ?? '',
    cpuset_mems: hostConfig.CpusetMems ?? '',
    hugepage_limits: hugePageLimits(limits),
    unified: rawKeys(limits),
  };
}

function splitResources(
  field: string,
  resources: LinuxContainerResources__Output,
  cgroupVersion: 1 | 2,
  inForce?: MemoryLimits,
): SplitResources {
  const docker: Resources = {};
  const cpuPeriod = requireInteger(`${field}.cpu_period`, resources.cpu_period, 0, MAX_CPU);
  if (cpuPeriod !== 0) docker.CpuPeriod = cpuPeriod;
  const cpuQuota = requireInteger(`${field}.cpu_quota`, resources.cpu_quota, -1, MAX_BYTES);
  if (cpuQuota !== 0) docker.CpuQuota = cpuQuota;
  const cpuShares = requireInteger(`${field}.cpu_shares`, resources.cpu_shares, 0, MAX_CPU);
  if (cpuShares !== 0) docker.CpuShares = cpuShares;
  checkNumberList(`${field}.cpuset_cpus`, resources.cpuset_cpus);
  if (resources.cpuset_cpus !== '') docker.CpusetCpus = resources.cpuset_cpus;
  checkNumberList(`${field}.cpuset_mems`, resources.cpuset_mems);
  if (resources.cpuset_mems !== '') docker.CpusetMems = resources.cpuset_mems;
  const memory = memoryLimits(field, resources, cgroupVersion, inForce);
  return {
    docker: { ...docker, ...memory.docker },
    writes: [...memory.writes, ...cgroupWrites(field, resources, cgroupVersion)],
  };
}

function checkNumberList(field: string, text: string): void {
  if (text !== '' && !NUMBER_LIST.test(text)) throw invalidArgument(field, 'must be a list such as 0-3,7');
}
