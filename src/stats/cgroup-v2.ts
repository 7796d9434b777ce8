import type { Cgroup } from './cgroup-figures.js';
import type { DeviceTraffic } from './cgroup-figures.js';
import type { CpuDetails } from './cgroup-figures.js';
import type { MemoryDetails } from './cgroup-figures.js';
import type { MemoryFigures } from './cgroup-figures.js';
import { CgroupFiles } from './cgroup-files.js';
import { CommonFigures } from './common-figures.js';
import type { KernelFiles } from './kernel-file.js';
import { limitOf, numberOf } from './keyed-text.js';

const NS_PER_US = 1000;

/** cgroup v2 (kernel: Documentation/admin-guide/cgroup-v2.rst). */
export class CgroupV2 extends CommonFigures implements Cgroup {
  readonly #files: CgroupFiles;

  constructor(folder: string, kernelFiles: KernelFiles) {
    const files = new CgroupFiles(folder, kernelFiles);
    const hugePageFiles = { usage: 'current', maxUsage: undefined };
    super({ pressure: files, processes: files, pids: files, hugePages: files, hugePageFiles });
    this.#files = files;
  }

  cpuUsageNs(): number | undefined {
    const stat = this.#files.read('cpu.stat');
    return stat === undefined ? undefined : nanoseconds(stat, 'usage_usec');
  }

  memory(): MemoryFigures | undefined {
    const stat = this.#files.read('memory.stat');
    return stat === undefined ? undefined : this.#memoryFigures(stat);
  }

  cpuDetails(): CpuDetails | undefined {
    const stat = this.#files.read('cpu.stat');
    if (stat === undefined) return undefined;
    return {
      usageNs: nanoseconds(stat, 'usage_usec'),
      userNs: nanoseconds(stat, 'user_usec'),
      systemNs: nanoseconds(stat, 'system_usec'),
      periods: numberOf(stat, 'nr_periods') ?? 0,
      throttledPeriods: numberOf(stat, 'nr_throttled') ?? 0,
      throttledNs: nanoseconds(stat, 'throttled_usec'),
    };
  }

  memoryDetails(): MemoryDetails | undefined {
    const stat = this.#files.read('memory.stat');
    const figures = stat === undefined ? undefined : this.#memoryFigures(stat);
    if (stat === undefined || figures === undefined) return undefined;
    const events = this.#files.read('memory.events') ?? '';
    return {
      figures,
      cache: numberOf(stat, 'file') ?? 0,
      mappedFile: numberOf(stat, 'file_mapped') ?? 0,
      activeFile: numberOf(stat, 'active_file') ?? 0,
      inactiveFile: numberOf(stat, 'inactive_file') ?? 0,
      kernel: numberOf(stat, 'kernel') ?? kernelParts(stat),
      maxUsage: this.#files.readNumber('memory.peak'),
      limitHits: numberOf(events, 'max') ?? 0,
      oomKills: numberOf(events, 'oom_kill') ?? 0,
      // v2 counts those of a cgroup together with those below it.
      ownPageFaults: figures.pageFaults,
      ownMajorPageFaults: figures.majorPageFaults,
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

  close(): void {
    this.#files.close();
  }

  #memoryFigures(stat: string): MemoryFigures | undefined {
    const usage = this.#files.readNumber('memory.current');
    if (usage === undefined) return undefined;
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
}

/** A figure of cpu.stat, which has microseconds. */
function nanoseconds(stat: string, key: string): number {
  return (numberOf(stat, key) ?? 0) * NS_PER_US;
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
