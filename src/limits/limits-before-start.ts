import { hugePageLimits, rawKeys, type NodeLimits } from '../convert/limits/node-limits.js';
import { limitedSizes, needsSetting } from './huge-page-limits.js';

/** Limits in the words of OCI's config.json, which the OCI runtime sets before the container's program runs. */
export interface LimitsBeforeStart {
  /** By page size: bytes. */
  readonly hugePages: Readonly<Record<string, string>>;
  /** By name of a cgroup v2 file. */
  readonly unified: Readonly<Record<string, string>>;
}

/** Those that the companion runtime has set before the start: of huge pages what this node can limit. */
export async function limitsBeforeStart(limits: NodeLimits): Promise<LimitsBeforeStart> {
  const sizes = await sizesOf(limits);
  const known = hugePageLimits(limits).filter(({ page_size: size = '' }) => sizes.has(size));
  return {
    hugePages: Object.fromEntries(known.map(({ page_size: size = '', limit }) => [size, String(limit)])),
    unified: rawKeys(limits),
  };
}

/** Whether there are others, which have to be set after the start also then, or fail to be. */
export async function needsSettingAfterwards(limits: NodeLimits): Promise<boolean> {
  const sizes = await sizesOf(limits);
  const cgroup = limits.cgroup.filter(({ file, raw }) => {
    const [controller, size = ''] = file.split('.');
    return raw !== true && !(controller === 'hugetlb' && sizes.has(size));
  });
  return needsSetting({ ...limits, cgroup });
}

async function sizesOf(limits: NodeLimits): Promise<ReadonlySet<string>> {
  return hugePageLimits(limits).length === 0 ? new Set() : limitedSizes();
}
