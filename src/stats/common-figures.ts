import type { CgroupFiles } from './cgroup-files.js';
import type { HugePages, PressureResource } from './cgroup.js';
import { limitOf } from './keyed-text.js';
import { parsePressure, type Pressure } from './pressure.js';

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
  #hugePageSizes: string[] | undefined;

  constructor(files: CommonFiles) {
    this.#files = files;
  }

  pressure(resource: PressureResource): Pressure | undefined {
    return parsePressure(this.#files.pressure.read(`${resource}.pressure`));
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
