import type { LinuxContainerResources__Output } from '../../gen/runtime/v1/LinuxContainerResources.js';
import { invalidArgument } from '../../util/cri-error.js';

/** One file to write in a container's cgroup. */
export interface CgroupWrite {
  /** File name; on cgroup v1 the part before the first dot is the controller. */
  file: string;
  value: string;
  /** False when it is no loss that the kernel has no such file: a limit of zero for a page size it does not know. */
  required: boolean;
  /** True for a raw key of the request. */
  raw?: true;
}

/**
 * The limits that Docker has no member for, to be written when the container has started: raw cgroup v2 keys and huge page
 * limits. INVALID_ARGUMENT for keys that are no file names, and for raw keys on cgroup v1, as runc has it. `field` is
 * where the resources are in the request.
 */
export function cgroupWrites(
  field: string,
  resources: LinuxContainerResources__Output | null,
  cgroupVersion: 1 | 2,
): CgroupWrite[] {
  if (!resources) return [];
  const raw = Object.entries(resources.unified).map(([file, value]): CgroupWrite => {
    const entry = `${field}.unified[${JSON.stringify(file)}]`;
    if (cgroupVersion === 1) throw invalidArgument(entry, 'this node has cgroup v1');
    if (!/^[a-z0-9_]+\.[A-Za-z0-9_.]+$/.test(file))
      throw invalidArgument(entry, 'is not the name of a cgroup file');
    return { file, value, required: true, raw: true };
  });
  const hugePages = resources.hugepage_limits.map(({ page_size: size, limit }, index): CgroupWrite => {
    if (!/^\d+[KMG]B$/.test(size)) {
      throw invalidArgument(`${field}.hugepage_limits[${index}].page_size`, 'must be a size such as 2MB');
    }
    const file = `hugetlb.${size}.${cgroupVersion === 1 ? 'limit_in_bytes' : 'max'}`;
    return { file, value: limit, required: limit !== '0' };
  });
  return [...raw, ...hugePages];
}
