import { posix } from 'node:path';
import type { EngineInfo } from '../../docker/types.js';

/** Where Docker puts the containers of a node whose kubelet names no parent. */
const DEFAULT_SLICE = 'system.slice';
const DEFAULT_FOLDER = '/docker';

/** `linux.cgroupsPath` as Docker writes it for a container, by its `HostConfig.CgroupParent`. */
export function cgroupsPath(
  id: string,
  parent: string,
  driver: EngineInfo['CgroupDriver'] | undefined,
): string {
  if (driver === 'systemd') return `${parent || DEFAULT_SLICE}:docker:${id}`;
  return posix.join('/', parent || DEFAULT_FOLDER, id);
}

/** The folder of a slice (systemd.slice(5)): `a-b.slice` lies in `a.slice`. '' for no slice. */
export function sliceFolder(slice: string): string {
  if (!slice.endsWith('.slice')) return slice;
  const words = slice.slice(0, -'.slice'.length).split('-');
  return words.map((_, index) => `/${words.slice(0, index + 1).join('-')}.slice`).join('');
}
