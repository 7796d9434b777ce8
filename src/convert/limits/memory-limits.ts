import type { HostConfig, Resources } from '../../docker/types.js';
import type { LinuxContainerResources__Output } from '../../gen/runtime/v1/LinuxContainerResources.js';
import { invalidArgument } from '../../util/cri-error.js';
import type { CgroupWrite } from './cgroup-writes.js';
import { requireInteger } from '../text/validate.js';

/** Below this Docker refuses a memory limit. */
const MIN_DOCKER_BYTES = 6 * 1024 * 1024;
/**
 * More memory than there is, in whole pages. Docker is told this where an update lifts a limit: it refuses -1 for memory
 * and passes over -1 for swap.
 */
const NO_LIMIT_BYTES = 2 ** 52;
const UNLIMITED = -1;
/** What Docker is told to lift a memory limit. */
export const UNLIMITED_MEMORY = { Memory: NO_LIMIT_BYTES, MemorySwap: NO_LIMIT_BYTES } as const;
const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const SWAP_KEY = 'memory.swap.max';

/** The memory members of Docker's record. */
export type DockerMemory = Pick<Resources, 'Memory' | 'MemorySwap'>;

/** Memory limits in bytes, as CRI has them: 0 for none, swap together with memory, -1 for unlimited. */
export interface MemoryLimits {
  memory: number;
  withSwap: number;
}

/**
 * What Docker is told of memory, and what is written into the cgroup since Docker does not take it: limits below 6 MiB, and
 * the end of a limit. A limit without a word on swap means no swap in a new container (Docker by itself would allow
 * as much swap as memory), and the amount of swap that there is in an update, which tells the limits in force.
 */
export function memoryLimits(
  field: string,
  resources: LinuxContainerResources__Output,
  cgroupVersion: 1 | 2,
  inForce?: MemoryLimits,
): { docker: DockerMemory; writes: CgroupWrite[] } {
  const asked = askedLimits(field, resources, inForce);
  if (asked.memory === 0) return { docker: {}, writes: [] };
  if (asked.memory === UNLIMITED) {
    if (!inForce?.memory) return { docker: {}, writes: [] };
    return { docker: UNLIMITED_MEMORY, writes: memoryWrites(asked, cgroupVersion) };
  }
  const Memory = Math.max(asked.memory, MIN_DOCKER_BYTES);
  const unlimitedSwap = inForce === undefined ? UNLIMITED : NO_LIMIT_BYTES;
  const MemorySwap = asked.withSwap === UNLIMITED ? unlimitedSwap : Memory + asked.withSwap - asked.memory;
  return {
    docker: { Memory, MemorySwap },
    writes: asked.memory === Memory ? [] : memoryWrites(asked, cgroupVersion),
  };
}

/** Memory 0 for "nothing to set". */
function askedLimits(
  field: string,
  resources: LinuxContainerResources__Output,
  inForce: MemoryLimits | undefined,
): MemoryLimits {
  const limitField = `${field}.memory_limit_in_bytes`;
  const swapField = `${field}.memory_swap_limit_in_bytes`;
  const limit = requireInteger(limitField, resources.memory_limit_in_bytes, UNLIMITED, NO_LIMIT_BYTES);
  const withSwap = requireInteger(swapField, resources.memory_swap_limit_in_bytes, UNLIMITED, MAX_BYTES);
  const memory = limit || (withSwap === 0 ? 0 : (inForce?.memory ?? 0));
  if (memory === 0) {
    if (withSwap > 0) throw invalidArgument(swapField, 'needs memory_limit_in_bytes');
    return { memory: 0, withSwap: 0 };
  }
  if (memory === UNLIMITED) return { memory: UNLIMITED, withSwap: UNLIMITED };
  if (withSwap > 0 && withSwap < memory) {
    throw invalidArgument(swapField, 'must not be less than memory_limit_in_bytes');
  }
  if (withSwap !== 0) return { memory, withSwap };
  const swap = swapBytes(field, resources, memory, inForce);
  return { memory, withSwap: swap === UNLIMITED ? UNLIMITED : memory + swap };
}

/** The memory limits that hold, by Docker's record and what is written into the cgroup beside it. */
export function memoryInForce(docker: DockerMemory, writes: readonly CgroupWrite[]): MemoryLimits {
  const { memory, withSwap } = limitOf(docker);
  const written = writes.find(({ file }) => file === 'memory.limit_in_bytes' || file === 'memory.max');
  const bytes = Number(written?.value);
  if (memory === 0 || !Number.isSafeInteger(bytes) || bytes < 0) return { memory, withSwap };
  return { memory: bytes, withSwap: withSwap > 0 ? withSwap - memory + bytes : withSwap };
}

/** In an order that the kernel takes from any earlier limits: on cgroup v1 memory may never exceed both together. */
function memoryWrites({ memory, withSwap }: MemoryLimits, cgroupVersion: 1 | 2): CgroupWrite[] {
  const unlimited = (bytes: number): string => (bytes === UNLIMITED ? 'max' : String(bytes));
  if (cgroupVersion === 2) {
    const swap = withSwap === UNLIMITED ? UNLIMITED : withSwap - memory;
    return [
      { file: 'memory.max', value: unlimited(memory), required: true },
      // Kernels without swap accounting have no such file.
      { file: 'memory.swap.max', value: unlimited(swap), required: false },
    ];
  }
  const both = { file: 'memory.memsw.limit_in_bytes', value: String(withSwap), required: false };
  const alone = { file: 'memory.limit_in_bytes', value: String(memory), required: true };
  return memory === UNLIMITED ? [both, alone] : [alone, both];
}

/** The amount of swap beside `memory`: by the cgroup v2 key with which the kubelet asks for it, else as it was. */
function swapBytes(
  field: string,
  { unified }: LinuxContainerResources__Output,
  memory: number,
  inForce: MemoryLimits | undefined,
): number {
  const asked = unified[SWAP_KEY];
  if (asked === 'max') return UNLIMITED;
  if (asked !== undefined) {
    return requireInteger(`${field}.unified["${SWAP_KEY}"]`, asked, 0, MAX_BYTES - memory);
  }
  if (!inForce?.memory) return 0;
  return inForce.withSwap === UNLIMITED ? UNLIMITED : Math.max(0, inForce.withSwap - inForce.memory);
}

function limitOf({ Memory = 0, MemorySwap = 0 }: Pick<HostConfig, 'Memory' | 'MemorySwap'>): MemoryLimits {
  if (Memory === NO_LIMIT_BYTES) return { memory: 0, withSwap: 0 };
  return { memory: Memory, withSwap: MemorySwap === NO_LIMIT_BYTES ? UNLIMITED : MemorySwap };
}
