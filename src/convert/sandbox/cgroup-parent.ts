import { posix } from 'node:path';
import type { EngineInfo } from '../../docker/types.js';
import { invalidArgument } from '../../util/cri-error.js';

const FIELD = 'config.linux.cgroup_parent';

/**
 * `HostConfig.CgroupParent` for the pod cgroup that the kubelet made, which comes as a cgroupfs path. With the systemd
 * driver Docker wants the last component, and that must be a slice: anything else means that the kubelet uses the other
 * driver, and is refused with INVALID_ARGUMENT.
 */
export function cgroupParent(path: string, driver: EngineInfo['CgroupDriver']): string {
  if (path === '' || driver === 'none') return '';
  if (path.split('/').includes('..')) throw invalidArgument(FIELD, 'must not hold ".."');
  if (driver === 'cgroupfs') return path;
  const slice = posix.basename(path);
  if (!slice.endsWith('.slice')) {
    throw invalidArgument(
      FIELD,
      "must end in .slice, as Docker's cgroup driver is systemd; is the kubelet's another?",
    );
  }
  return slice;
}
