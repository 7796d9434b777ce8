import type { MemoryFigures } from './cgroup-figures.js';
import type { MeasuredCgroup, Probe } from './usage-probes.js';

/** As much of a cgroup as a pod's statistics need. */
interface SummedCgroup {
  readonly cgroup: Pick<MeasuredCgroup['cgroup'], 'cpuUsageNs' | 'memory' | 'pressure' | 'threads'>;
  readonly rate: Pick<MeasuredCgroup['rate'], 'nanoCores'>;
}

/**
 * Stands in for the pod's cgroup when a pod was made without one (the kubelet always makes one): the sums over its
 * sandbox and containers. There is no sum of pressures.
 */
export function summedCgroup(probes: readonly Probe[]): SummedCgroup {
  const usageOf = (probe: Probe): number => probe.cgroup.cpuUsageNs() ?? 0;
  return {
    cgroup: {
      cpuUsageNs: () => sum(probes.map(usageOf)),
      memory: () =>
        summedMemory(probes.map(({ cgroup }) => cgroup.memory()).filter((each) => each !== undefined)),
      pressure: () => undefined,
      threads: () => sum(probes.map(({ cgroup }) => cgroup.threads() ?? 0)),
    },
    rate: {
      nanoCores: ({ atMs }) => {
        const rates = probes.map((probe) => probe.rate.nanoCores({ atMs, usageNs: usageOf(probe) }));
        const known = rates.filter((rate) => rate !== undefined);
        return known.length === 0 ? undefined : sum(known);
      },
    },
  };
}

function summedMemory(parts: readonly MemoryFigures[]): MemoryFigures {
  const total = (of: (part: MemoryFigures) => number): number => sum(parts.map(of));
  return {
    usage: total(({ usage }) => usage),
    workingSet: total(({ workingSet }) => workingSet),
    limit: undefined,
    anonymous: total(({ anonymous }) => anonymous),
    pageFaults: total(({ pageFaults }) => pageFaults),
    majorPageFaults: total(({ majorPageFaults }) => majorPageFaults),
    swap: undefined,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
