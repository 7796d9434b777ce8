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
import type { CgroupFolders } from './cgroup-folders.js';
import type { KernelFiles } from './kernel-file.js';
import { belowUnlimited, limitOf, linesOf, numberOf } from './keyed-text.js';
import { parsePressure, type Pressure } from './pressure.js';

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture that Docker runs on. */
const NS_PER_TICK = 10_000_000;

const HUGE_PAGE_USAGE = /^hugetlb\.(.+)\.usage_in_bytes$/;

/** cgroup v1 (kernel: Documentation/admin-guide/cgroup-v1), with pressure from the v2 hierarchy of hybrid hosts. */
export class CgroupV1 implements Cgroup {
  readonly #cpuacct: CgroupFiles;
  readonly #cpu: CgroupFiles;
  readonly #memory: CgroupFiles;
  readonly #blkio: CgroupFiles;
  readonly #pids: CgroupFiles;
  readonly #hugetlb: CgroupFiles;
  readonly #unified: CgroupFiles;
  #hugePageSizes: string[] | undefined;

  constructor({ controllers, unified }: CgroupFolders, files: KernelFiles) {
    const open = (name: string): CgroupFiles => new CgroupFiles(controllers.get(name), files);
    this.#cpuacct = open('cpuacct');
    this.#cpu = open('cpu');
    this.#memory = open('memory');
    this.#blkio = open('blkio');
    this.#pids = open('pids');
    this.#hugetlb = open('hugetlb');
    this.#unified = new CgroupFiles(unified, files);
  }

  cpuUsageNs(): number | undefined {
    return this.#cpuacct.readNumber('cpuacct.usage');
  }

  memory(): MemoryFigures | undefined {
    const usage = this.#memory.readNumber('memory.usage_in_bytes');
    const stat = this.#memory.read('memory.stat');
    if (usage === undefined || stat === undefined) return undefined;
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

  pressure(resource: PressureResource): Pressure | undefined {
    return parsePressure(this.#unified.read(`${resource}.pressure`));
  }

  threads(): number | undefined {
    return this.#pids.readNumber('pids.current');
  }

  processIds(): string[] | undefined {
    return linesOf(this.#memory.read('cgroup.procs'));
  }

  maxThreads(): number | undefined {
    return limitOf(this.#pids.read('pids.max'));
  }

  cpuDetails(): CpuDetails | undefined {
    const stat = this.#cpu.read('cpu.stat');
    const ticks = this.#cpuacct.read('cpuacct.stat');
    if (stat === undefined || ticks === undefined) return undefined;
    return {
      userNs: this.#cpuacct.readNumber('cpuacct.usage_user') ?? (numberOf(ticks, 'user') ?? 0) * NS_PER_TICK,
      systemNs:
        this.#cpuacct.readNumber('cpuacct.usage_sys') ?? (numberOf(ticks, 'system') ?? 0) * NS_PER_TICK,
      periods: numberOf(stat, 'nr_periods') ?? 0,
      throttledPeriods: numberOf(stat, 'nr_throttled') ?? 0,
      throttledNs: numberOf(stat, 'throttled_time') ?? 0,
    };
  }

  memoryDetails(): MemoryDetails | undefined {
    const stat = this.#memory.read('memory.stat');
    if (stat === undefined) return undefined;
    return {
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
    const requests = perDevice(this.#blkio.read('blkio.throttle.io_serviced_recursive'));
    return [...bytes].map(([device, { read, written }]) => ({
      device,
      readBytes: read,
      writtenBytes: written,
      reads: requests.get(device)?.read ?? 0,
      writes: requests.get(device)?.written ?? 0,
    }));
  }

  hugePages(): HugePages[] {
    this.#hugePageSizes ??= this.#hugetlb
      .names()
      .map((name) => HUGE_PAGE_USAGE.exec(name)?.[1])
      .filter((size) => size !== undefined);
    return this.#hugePageSizes.map((size) => ({
      size,
      usage: this.#hugetlb.readNumber(`hugetlb.${size}.usage_in_bytes`) ?? 0,
      maxUsage: this.#hugetlb.readNumber(`hugetlb.${size}.max_usage_in_bytes`),
    }));
  }

  close(): void {
    const all = [
      this.#cpuacct,
      this.#cpu,
      this.#memory,
      this.#blkio,
      this.#pids,
      this.#hugetlb,
      this.#unified,
    ];
    for (const files of all) files.close();
  }
}

function minus(limitWithSwap: number | undefined, limit: number | undefined): number | undefined {
  return limitWithSwap === undefined || limit === undefined ? undefined : Math.max(0, limitWithSwap - limit);
}

/** Lines such as `8:0 Read 4096`. */
function perDevice(text: string | undefined): Map<string, { read: number; written: number }> {
  const devices = new Map<string, { read: number; written: number }>();
  for (const [, device = '', operation, value] of (text ?? '').matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm)) {
    const entry = devices.get(device) ?? { read: 0, written: 0 };
    entry[operation === 'Read' ? 'read' : 'written'] = Number(value);
    devices.set(device, entry);
  }
  return devices;
}
