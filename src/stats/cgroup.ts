import type { Cgroup } from './cgroup-figures.js';
import type { CgroupFolders } from './cgroup-folders.js';
import { CgroupV1 } from './cgroup-v1.js';
import { CgroupV2 } from './cgroup-v2.js';
import type { KernelFiles } from './kernel-file.js';

/** The reader for a cgroup: v1 where that hierarchy has the memory controller, v2 otherwise. */
export function openCgroup(folders: CgroupFolders, files: KernelFiles): Cgroup {
  return folders.controllers.has('memory') || folders.unified === undefined
    ? new CgroupV1(folders, files)
    : new CgroupV2(folders.unified, files);
}
