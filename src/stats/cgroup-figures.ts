import type { Pressure } from './pressure.js';

/** Memory of a cgroup and all below it, in bytes. */
export interface MemoryFigures {
  readonly usage: number;
  /** Usage without the file pages that the kernel would give up first. */
  readonly workingSet: number;
  /** Undefined when there is none. */
  readonly limit: number | undefined;
  readonly anonymous: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  /** Undefined where the kernel does not account swap. */
  readonly swap: { readonly usage: number; readonly limit: number | undefined } | undefined;
}

/** What metrics tell of memory, in bytes and counts. */
export interface MemoryDetails {
  readonly figures: MemoryFigures;
  readonly cache: number;
  readonly mappedFile: number;
  readonly activeFile: number;
  readonly inactiveFile: number;
  readonly kernel: number | undefined;
  /** The highest usage so far; undefined where the kernel does not keep it. */
  readonly maxUsage: number | undefined;
  /** How often the limit was hit. */
  readonly limitHits: number;
  readonly oomKills: number;
  /** Page faults of the cgroup itself, without those below. */
  readonly ownPageFaults: number;
  readonly ownMajorPageFaults: number;
}

/** What metrics tell of CPU time. */
export interface CpuDetails {
  readonly usageNs: number;
  readonly userNs: number;
  readonly systemNs: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNs: number;
}

/** Traffic with one block device. */
export interface DeviceTraffic {
  /** As `8:0`. */
  readonly device: string;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
}

/** Huge pages of one size, such as `2MB`, in bytes. */
export interface HugePages {
  readonly size: string;
  readonly usage: number;
  readonly maxUsage: number | undefined;
}
export type PressureResource = 'cpu' | 'memory' | 'io';

/** A cgroup whose figures can be read. Each call reads anew. Everything is undefined, or empty, once the cgroup is gone. */
export interface Cgroup {
  /** CPU time since the cgroup was made. */
  cpuUsageNs(): number | undefined;
  memory(): MemoryFigures | undefined;
  cpuDetails(): CpuDetails | undefined;
  memoryDetails(): MemoryDetails | undefined;
  deviceTraffic(): DeviceTraffic[];
  /** Undefined where the kernel does not tell: on cgroup v1 alone, or without PSI. */
  pressure(resource: PressureResource): Pressure | undefined;
  /** Threads in the cgroup and all below it. */
  threads(): number | undefined;
  /** Undefined when threads are not limited. */
  maxThreads(): number | undefined;
  /** Ids of the processes in the cgroup itself, those in cgroups below it left out. */
  processIds(): string[];
  /** How many `processIds` there are. */
  processCount(): number | undefined;
  hugePages(): HugePages[];
  close(): void;
}
