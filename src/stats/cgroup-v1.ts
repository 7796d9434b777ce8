import type { Cgroup } from './cgroup-figures.js';
import type { DeviceTraffic } from './cgroup-figures.js';
import type { CpuDetails } from './cgroup-figures.js';
import type { MemoryDetails } from './cgroup-figures.js';
import type { MemoryFigures } from './cgroup-figures.js';
import { CgroupFiles } from './cgroup-files.js';
import type { CgroupFolders } from './cgroup-folders.js';
import type { KernelFiles } from './kernel-file.js';
import { CommonFigures } from './common-figures.js';
import { belowUnlimited, numberOf } from './keyed-text.js';

/**
 * cpuacct.stat counts in USER_HZ, which is 100 on every architecture that Docker runs on. Newer kernels have files in
 * nanoseconds too, two of them; but metrics tell whole seconds.
 */
const NS_PER_TICK = 10_000_000;

/** cgroup v1 (kernel: Documentation/admin-guide/cgroup-v1), with pressure from the v2 hierarchy of hybrid hosts. */
export class CgroupV1 extends CommonFigures implements Cgroup {
  readonly #cpuacct: CgroupFiles;
  readonly #cpu: CgroupFiles;
  readonly #memory: CgroupFiles;
  readonly #blkio: CgroupFiles;
  readonly #all: readonly CgroupFiles[];

  constructor({ controllers, unified }: CgroupFolders, files: KernelFiles) {
    const open = (name: string): CgroupFiles => new CgroupFiles(controllers.get(name), files);
    const [cpuacct, cpu, memory, blkio] = [open('cpuacct'), open('cpu'), open('memory'), open('blkio')];
    const [pids, hugePages, pressure] = [open('pids'), open('hugetlb'), new CgroupFiles(unified, files)];
    const hugePageFiles = { usage: 'usage_in_bytes', maxUsage: 'max_usage_in_bytes' };
    super({ pressure, processes: memory, pids, hugePages, hugePageFiles });
    this.#cpuacct = cpuacct;
    this.#cpu = cpu;
    this.#memory = memory;
    this.#blkio = blkio;
    this.#all = [cpuacct, cpu, memory, blkio, pids, hugePages, pressure];
  }

  cpuUsageNs(): number | undefined {
    return this.#cpuacct.readNumber('cpuacct.usage');
  }

  memory(): MemoryFigures | undefined {
    const stat = this.#memory.read('memory.stat');
    return stat === undefined ? undefined : this.#memoryFigures(stat);
  }

  cpuDetails(): CpuDetails | undefined {
    const usageNs = this.cpuUsageNs();
    const stat = this.#cpu.read('cpu.stat');
    if (usageNs === undefined || stat === undefined) return undefined;
    const parts = this.#cpuacct.read('cpuacct.stat') ?? '';
    return {
      usageNs,
      userNs: (numberOf(parts, 'user') ?? 0) * NS_PER_TICK,
      systemNs: (numberOf(parts, 'system') ?? 0) * NS_PER_TICK,
      periods: numberOf(stat, 'nr_periods') ?? 0,
      throttledPeriods: numberOf(stat, 'nr_throttled') ?? 0,
      throttledNs: numberOf(stat, 'throttled_time') ?? 0,
    };
  }

  memoryDetails(): MemoryDetails | undefined {
    const stat = this.#memory.read('memory.stat');
    const figures = stat === undefined ? undefined : this.#memoryFigures(stat);
    if (stat === undefined || figures === undefined) return undefined;
    return {
      figures,
      cache: numberOf(stat, 'total_cache') ?? 0,
      mappedFile: numberOf(stat, 'total_mapped_file') ?? 0,
      activeFile: numberOf(stat, 'total_active_file') ?? 0,
      inactiveFile: numberOf(stat, 'total_inactive_file') ?? 0,
      kernel: this.#memory.readNumber('memory.kmem.usage_in_bytes'),
      maxUsage: this.#memory.readNumber('memory.max_usage_in_bytes'),
      limitHits: this.#memory.readNumber('memory.failcnt') ?? 0,
      oomKills: numberOf(this.#memory.read('memory.oom_control') ?? '', 'oom_kill') ?? 0,
      ownPageFaults: numberOf(stat, 'pgfault') ?? 0,
      ownMajorPageFaults: numberOf(stat, 'pgmajfault') ?? 0,
    };
  }

  deviceTraffic(): DeviceTraffic[] {
    const bytes = perDevice(this.#blkio.read('blkio.throttle.io_service_bytes_recursive'));
    if (bytes.size === 0) return [];
    const requests = perDevice(this.#blkio.read('blkio.throttle.io_serviced_recursive'));
    return [...bytes].map(([device, { read, written }]) => ({
      device,
      readBytes: read,
      writtenBytes: written,
      reads: requests.get(device)?.read ?? 0,
      writes: requests.get(device)?.written ?? 0,
    }));
  }

  close(): void {
    for (const files of this.#all) files.close();
  }

  #memoryFigures(stat: string): MemoryFigures | undefined {
    const usage = this.#memory.readNumber('memory.usage_in_bytes');
    if (usage === undefined) return undefined;
    const limit = belowUnlimited(numberOf(stat, 'hierarchical_memory_limit'));
    const limitWithSwap = belowUnlimited(numberOf(stat, 'hierarchical_memsw_limit'));
    const swapUsage = numberOf(stat, 'total_swap');
    return {
      usage,
      workingSet: Math.max(0, usage - (numberOf(stat, 'total_inactive_file') ?? 0)),
      limit,
      anonymous: numberOf(stat, 'total_rss') ?? 0,
      pageFaults: numberOf(stat, 'total_pgfault') ?? 0,
      majorPageFaults: numberOf(stat, 'total_pgmajfault') ?? 0,
      swap: swapUsage === undefined ? undefined : { usage: swapUsage, limit: minus(limitWithSwap, limit) },
    };
  }
}

function minus(limitWithSwap: number | undefined, limit: number | undefined): number | undefined {
  return limitWithSwap === undefined || limit === undefined ? undefined : Math.max(0, limitWithSwap - limit);
}

/** What the files of blkio hold before anything was read or written. */
const NO_DEVICES = 'Total 0\n';

/** Lines such as `8:0 Read 4096`. */
function perDevice(text: string | undefined): Map<string, { read: number; written: number }> {
  const devices = new Map<string, { read: number; written: number }>();
  if (text === undefined || text === NO_DEVICES) return devices;
  for (const [, device = '', operation, value] of text.matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm)) {
    const entry = devices.get(device) ?? { read: 0, written: 0 };
    entry[operation === 'Read' ? 'read' : 'written'] = Number(value);
    devices.set(device, entry);
  }
  return devices;
}
