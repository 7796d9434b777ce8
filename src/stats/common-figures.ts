import type { CgroupFiles } from './cgroup-files.js';
import type { PressureResource } from './cgroup-figures.js';
import type { HugePages } from './cgroup-figures.js';
import { limitOf } from './keyed-text.js';
import { parsePressure, type Pressure } from './pressure.js';

const PRESSURE_FILES = { cpu: 'cpu.pressure', memory: 'memory.pressure', io: 'io.pressure' };

/** Where a version of cgroups has the figures that both versions tell in the same words. */
export interface CommonFiles {
  readonly pressure: CgroupFiles;
  readonly processes: CgroupFiles;
  readonly pids: CgroupFiles;
  readonly hugePages: CgroupFiles;
  /** The ends of the names of the files `hugetlb.<size>.<end>`; `maxUsage` is undefined where there is no such file. */
  readonly hugePageFiles: { readonly usage: string; readonly maxUsage: string | undefined };
}

/** The figures that both versions of cgroups tell in the same words. */
export class CommonFigures {
  readonly #files: CommonFiles;
  /** The last reading of each resource: where nothing waits, which is the rule, it says the same each time. */
  readonly #pressures = new Map<
    PressureResource,
    { text: string | undefined; pressure: Pressure | undefined }
  >();
  #hugePageSizes: string[] | undefined;

  constructor(files: CommonFiles) {
    this.#files = files;
  }

  pressure(resource: PressureResource): Pressure | undefined {
    const text = this.#files.pressure.read(PRESSURE_FILES[resource]);
    const last = this.#pressures.get(resource);
    if (last !== undefined && last.text === text) return last.pressure;
    const pressure = parsePressure(text);
    this.#pressures.set(resource, { text, pressure });
    return pressure;
  }

  threads(): number | undefined {
    return this.#files.pids.readNumber('pids.current');
  }

  maxThreads(): number | undefined {
    return limitOf(this.#files.pids.read('pids.max'));
  }

  processIds(): string[] {
    return (this.#files.processes.read('cgroup.procs') ?? '').split('\n').slice(0, -1);
  }

  processCount(): number | undefined {
    const text = this.#files.processes.read('cgroup.procs');
    if (text === undefined) return undefined;
    let count = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
    return count;
  }

  hugePages(): HugePages[] {
    const { hugePages, hugePageFiles } = this.#files;
    const { usage, maxUsage } = hugePageFiles;
    this.#hugePageSizes ??= hugePages
      .names()
      .map((name) => name.split('.'))
      .filter(([first, , ...end]) => first === 'hugetlb' && end.join('.') === usage)
      .map(([, size = '']) => size);
    return this.#hugePageSizes.map((size) => ({
      size,
      usage: hugePages.readNumber(`hugetlb.${size}.${usage}`) ?? 0,
      maxUsage: maxUsage === undefined ? undefined : hugePages.readNumber(`hugetlb.${size}.${maxUsage}`),
    }));
  }
}
