import type { HostConfig, Resources } from '../docker/types.js';
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from '../gen/runtime/v1/LinuxContainerResources.js';
import { invalidArgument } from '../util/cri-error.js';
import { requireInteger } from './validate.js';

/** Below this Docker refuses a memory limit. */
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;
const UNLIMITED = -1;
const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_CPU = 2 ** 31 - 1;
const NUMBER_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
const SWAP_KEY = 'memory.swap.max';

/**
 * The limits that Docker sets when it creates a container; zero and empty members of the request mean "none". A memory
 * limit without a word on swap means no swap: Docker by itself would allow as much swap as memory. What Docker has no
 * member for is left to `cgroupWrites`.
 */
export function createResources(resources: LinuxContainerResources__Output | null): Resources {
  return resources ? dockerResources('config.linux.resources', resources) : {};
}

/**
 * The body of Docker's update. Zero and empty members of the request leave the present value, for the CRI as for Docker.
 * Memory and swap go together: Docker refuses a limit above the swap limit it has.
 */
export function updateBody(resources: LinuxContainerResources__Output): Resources {
  return dockerResources('linux', resources);
}

/** The limits that Docker's record tells, in CRI's words. */
export function criResources(hostConfig: HostConfig): LinuxContainerResources {
  return {
    cpu_period: hostConfig.CpuPeriod ?? 0,
    cpu_quota: hostConfig.CpuQuota ?? 0,
    cpu_shares: hostConfig.CpuShares ?? 0,
    memory_limit_in_bytes: hostConfig.Memory ?? 0,
    memory_swap_limit_in_bytes: hostConfig.MemorySwap ?? 0,
    oom_score_adj: hostConfig.OomScoreAdj ?? 0,
    cpuset_cpus: hostConfig.CpusetCpus ?? '',
    cpuset_mems: hostConfig.CpusetMems ?? '',
  };
}

function dockerResources(field: string, resources: LinuxContainerResources__Output): Resources {
  const result: Resources = {};
  const cpuPeriod = requireInteger(`${field}.cpu_period`, resources.cpu_period, 0, MAX_CPU);
  if (cpuPeriod !== 0) result.CpuPeriod = cpuPeriod;
  const cpuQuota = requireInteger(`${field}.cpu_quota`, resources.cpu_quota, UNLIMITED, MAX_BYTES);
  if (cpuQuota !== 0) result.CpuQuota = cpuQuota;
  const cpuShares = requireInteger(`${field}.cpu_shares`, resources.cpu_shares, 0, MAX_CPU);
  if (cpuShares !== 0) result.CpuShares = cpuShares;
  checkNumberList(`${field}.cpuset_cpus`, resources.cpuset_cpus);
  if (resources.cpuset_cpus !== '') result.CpusetCpus = resources.cpuset_cpus;
  checkNumberList(`${field}.cpuset_mems`, resources.cpuset_mems);
  if (resources.cpuset_mems !== '') result.CpusetMems = resources.cpuset_mems;
  return { ...result, ...memory(field, resources) };
}

function checkNumberList(field: string, text: string): void {
  if (text !== '' && !NUMBER_LIST.test(text)) throw invalidArgument(field, 'must be a list such as 0-3,7');
}

function memory(
  field: string,
  resources: LinuxContainerResources__Output,
): Pick<Resources, 'Memory' | 'MemorySwap'> {
  const limitField = `${field}.memory_limit_in_bytes`;
  const swapField = `${field}.memory_swap_limit_in_bytes`;
  const limit = requireInteger(limitField, resources.memory_limit_in_bytes, 0, MAX_BYTES);
  const swap = requireInteger(swapField, resources.memory_swap_limit_in_bytes, UNLIMITED, MAX_BYTES);
  if (limit === 0) {
    if (swap > 0) throw invalidArgument(swapField, 'needs memory_limit_in_bytes');
    return {};
  }
  if (limit < MIN_MEMORY_BYTES) throw invalidArgument(limitField, 'Docker takes no limit below 6 MiB');
  if (swap > 0 && swap < limit)
    throw invalidArgument(swapField, 'must not be less than memory_limit_in_bytes');
  return { Memory: limit, MemorySwap: swap === 0 ? swapByUnified(field, limit, resources) : swap };
}

/** Memory and swap together, by the cgroup v2 key with which the kubelet asks for swap; no swap when it does not say. */
function swapByUnified(field: string, limit: number, { unified }: LinuxContainerResources__Output): number {
  const swap = unified[SWAP_KEY] ?? '0';
  if (swap === 'max') return UNLIMITED;
  return limit + requireInteger(`${field}.unified["${SWAP_KEY}"]`, swap, 0, MAX_BYTES - limit);
}
