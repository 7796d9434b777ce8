import type {
  Cgroup,
  CpuDetails,
  DeviceTraffic,
  HugePages,
  MemoryDetails,
  MemoryFigures,
  PressureResource,
} from './cgroup.js';
import { CgroupFiles } from './cgroup-files.js';
import type { KernelFiles } from './kernel-file.js';
import { limitOf, linesOf, numberOf } from './keyed-text.js';
import { parsePressure, type Pressure } from './pressure.js';

const NS_PER_US = 1000;

const HUGE_PAGE_USAGE = /^hugetlb\.([^.]+)\.current$/;

/** cgroup v2 (kernel: Documentation/admin-guide/cgroup-v2.rst). */
export class CgroupV2 implements Cgroup {
  readonly #files: CgroupFiles;
  #hugePageSizes: string[] | undefined;

  constructor(folder: string, files: KernelFiles) {
    this.#files = new CgroupFiles(folder, files);
  }

  cpuUsageNs(): number | undefined {
    const stat = this.#files.read('cpu.stat');
    return stat === undefined ? undefined : (numberOf(stat, 'usage_usec') ?? 0) * NS_PER_US;
  }

  memory(): MemoryFigures | undefined {
    const usage = this.#files.readNumber('memory.current');
    const stat = this.#files.read('memory.stat');
    if (usage === undefined || stat === undefined) return undefined;
    const swapUsage = this.#files.readNumber('memory.swap.current');
    return {
      usage,
      workingSet: Math.max(0, usage - (numberOf(stat, 'inactive_file') ?? 0)),
      limit: limitOf(this.#files.read('memory.max')),
      anonymous: numberOf(stat, 'anon') ?? 0,
      pageFaults: numberOf(stat, 'pgfault') ?? 0,
      majorPageFaults: numberOf(stat, 'pgmajfault') ?? 0,
      swap:
        swapUsage === undefined
          ? undefined
          : { usage: swapUsage, limit: limitOf(this.#files.read('memory.swap.max')) },
    };
  }

  pressure(resource: PressureResource): Pressure | undefined {
    return parsePressure(this.#files.read(`${resource}.pressure`));
  }

  threads(): number | undefined {
    return this.#files.readNumber('pids.current');
  }

  processIds(): string[] | undefined {
    return linesOf(this.#files.read('cgroup.procs'));
  }

  maxThreads(): number | undefined {
    return limitOf(this.#files.read('pids.max'));
  }

  cpuDetails(): CpuDetails | undefined {
    const stat = this.#files.read('cpu.stat');
    if (stat === undefined) return undefined;
    return {
      userNs: (numberOf(stat, 'user_usec') ?? 0) * NS_PER_US,
      systemNs: (numberOf(stat, 'system_usec') ?? 0) * NS_PER_US,
      periods: numberOf(stat, 'nr_periods') ?? 0,
      throttledPeriods: numberOf(stat, 'nr_throttled') ?? 0,
      throttledNs: (numberOf(stat, 'throttled_usec') ?? 0) * NS_PER_US,
    };
  }

  memoryDetails(): MemoryDetails | undefined {
    const stat = this.#files.read('memory.stat');
    if (stat === undefined) return undefined;
    const events = this.#files.read('memory.events') ?? '';
    const pageFaults = numberOf(stat, 'pgfault') ?? 0;
    const majorPageFaults = numberOf(stat, 'pgmajfault') ?? 0;
    return {
      cache: numberOf(stat, 'file') ?? 0,
      mappedFile: numberOf(stat, 'file_mapped') ?? 0,
      activeFile: numberOf(stat, 'active_file') ?? 0,
      inactiveFile: numberOf(stat, 'inactive_file') ?? 0,
      kernel: numberOf(stat, 'kernel') ?? kernelParts(stat),
      maxUsage: this.#files.readNumber('memory.peak'),
      limitHits: numberOf(events, 'max') ?? 0,
      oomKills: numberOf(events, 'oom_kill') ?? 0,
      ownPageFaults: pageFaults,
      ownMajorPageFaults: majorPageFaults,
    };
  }

  deviceTraffic(): DeviceTraffic[] {
    const lines = (this.#files.read('io.stat') ?? '').matchAll(/^(\d+:\d+) (.+)$/gm);
    return [...lines].map(([, device = '', pairs = '']) => {
      const values = new Map(pairs.split(' ').map((pair): [string, number] => pairOf(pair)));
      return {
        device,
        readBytes: values.get('rbytes') ?? 0,
        writtenBytes: values.get('wbytes') ?? 0,
        reads: values.get('rios') ?? 0,
        writes: values.get('wios') ?? 0,
      };
    });
  }

  hugePages(): HugePages[] {
    this.#hugePageSizes ??= this.#files
      .names()
      .map((name) => HUGE_PAGE_USAGE.exec(name)?.[1])
      .filter((size) => size !== undefined);
    return this.#hugePageSizes.map((size) => ({
      size,
      usage: this.#files.readNumber(`hugetlb.${size}.current`) ?? 0,
      maxUsage: undefined, // v2 keeps none
    }));
  }

  close(): void {
    this.#files.close();
  }
}

/** Before Linux 5.18 memory.stat has no sum of what the kernel itself uses for the cgroup. */
function kernelParts(stat: string): number {
  return (
    (numberOf(stat, 'kernel_stack') ?? 0) + (numberOf(stat, 'slab') ?? 0) + (numberOf(stat, 'percpu') ?? 0)
  );
}

function pairOf(pair: string): [string, number] {
  const [key = '', value] = pair.split('=');
  return [key, Number(value)];
}
