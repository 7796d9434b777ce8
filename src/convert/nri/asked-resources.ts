import type { Resources } from '../../docker/types.js';
import type { LinuxContainerResources__Output } from '../../gen/runtime/v1/LinuxContainerResources.js';
import type { LinuxResources } from '../../gen/nri/pkg/api/v1alpha1/LinuxResources.js';
import { Code, CriError } from '../../util/cri-error.js';

/** Limits that somebody asks for, as far as Docker and the node's own limits go. */
export interface AskedLimits {
  readonly linux: LinuxContainerResources__Output;
  /** What CRI has no words for. */
  readonly beside: Pick<Resources, 'MemoryReservation' | 'PidsLimit'>;
}

/** None of them. Zero and empty stand for what is left as it is, as in CRI. */
export const NO_LIMITS: LinuxContainerResources__Output = {
  cpu_period: '0',
  cpu_quota: '0',
  cpu_shares: '0',
  memory_limit_in_bytes: '0',
  memory_swap_limit_in_bytes: '0',
  oom_score_adj: '0',
  cpuset_cpus: '',
  cpuset_mems: '',
  hugepage_limits: [],
  unified: {},
};

/**
 * Plugins' limits in the words of CRI and Docker. A limit of memory without one of swap allows none in a new container, as in
 * containerd, and leaves the swap of another as it is.
 */
export function askedLimits(asked: LinuxResources, isNew: boolean): AskedLimits {
  const { cpu, memory, pids } = asked;
  const limit = textOf(memory?.limit);
  const reservation = textOf(memory?.reservation);
  return {
    linux: {
      ...NO_LIMITS,
      cpu_period: textOf(cpu?.period),
      cpu_quota: textOf(cpu?.quota),
      cpu_shares: textOf(cpu?.shares),
      cpuset_cpus: cpu?.cpus ?? '',
      cpuset_mems: cpu?.mems ?? '',
      memory_limit_in_bytes: limit,
      memory_swap_limit_in_bytes: isNew && !memory?.swap ? limit : textOf(memory?.swap),
      hugepage_limits: (asked.hugepage_limits ?? []).map(({ page_size: size = '', limit: bytes = 0 }) => {
        return { page_size: size, limit: bytes.toString() };
      }),
      unified: asked.unified ?? {},
    },
    beside: {
      ...(reservation !== '0' && { MemoryReservation: Number(reservation) }),
      ...(pids && { PidsLimit: Number(pids.limit?.toString() ?? 0) }),
    },
  };
}

/** False where all is left as it is. */
export function asksForAny({ linux, beside }: AskedLimits): boolean {
  return Object.keys(beside).length > 0 || JSON.stringify(linux) !== JSON.stringify(NO_LIMITS);
}

/** The names of those that neither Docker nor the cgroup of a container that is there can be given. */
export function limitsOfCreation({
  cpu,
  memory,
  devices,
  blockio_class,
  rdt_class,
}: LinuxResources): string[] {
  const members: readonly (readonly [string, unknown])[] = [
    ['memory.kernel', memory?.kernel],
    ['memory.kernel_tcp', memory?.kernel_tcp],
    ['memory.swappiness', memory?.swappiness],
    ['memory.disable_oom_killer', memory?.disable_oom_killer],
    ['memory.use_hierarchy', memory?.use_hierarchy],
    ['cpu.realtime_runtime', cpu?.realtime_runtime],
    ['cpu.realtime_period', cpu?.realtime_period],
    ['blockio_class', blockio_class],
    ['rdt_class', rdt_class],
    ['devices', devices?.length ? devices : undefined],
  ];
  return members.filter(([, value]) => value !== undefined && value !== null).map(([name]) => name);
}

/** The limits of a container that is there. UNIMPLEMENTED for those that only a new one can be given. */
export function checkedUpdate(asked: LinuxResources): AskedLimits {
  const [first] = limitsOfCreation(asked);
  if (first !== undefined) {
    throw new CriError(
      Code.UNIMPLEMENTED,
      `linux.resources.${first}: only a new container can be given that`,
    );
  }
  return askedLimits(asked, false);
}

function textOf(value: { value?: { toString(): string } } | null | undefined): string {
  return value?.value?.toString() ?? '0';
}
