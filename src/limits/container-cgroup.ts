import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';

/** Where the kernel's files are; tests put trees of their own there. */
export interface KernelPaths {
  /** As `/proc`. */
  readonly proc: string;
}

export const KERNEL_PATHS: KernelPaths = { proc: '/proc' };

/** The folders of a container's cgroup, one for each cgroup v1 controller, and that of cgroup v2. */
export class ContainerCgroup {
  readonly #folders: ReadonlyMap<string, string>;

  constructor(folders: ReadonlyMap<string, string>) {
    this.#folders = folders;
  }

  /** The path of a cgroup file such as `memory.max`; undefined when its controller is not mounted. */
  file(name: string, cgroupVersion: 1 | 2): string | undefined {
    const controller = cgroupVersion === 2 ? '' : (name.split('.')[0] ?? '');
    const folder = this.#folders.get(controller);
    return folder === undefined ? undefined : join(folder, name);
  }

  /** Host pids of its processes, those in cgroups below it left out. */
  async pids(): Promise<number[]> {
    const [folder = ''] = this.#folders.values();
    const text = await readFile(join(folder, 'cgroup.procs'), 'utf8');
    return text.split('\n').filter(Boolean).map(Number);
  }
}

/**
 * The cgroup of the container that process `pid` was started for. Throws when the process is gone, also where another
 * one has its pid now: the container's id is part of its cgroup's name with every cgroup driver.
 */
export async function containerCgroup(
  containerId: string,
  pid: number,
  { proc }: KernelPaths = KERNEL_PATHS,
): Promise<ContainerCgroup> {
  const [membership, mounts] = await Promise.all([
    readFile(join(proc, String(pid), 'cgroup'), 'utf8'),
    readFile(join(proc, 'self/mountinfo'), 'utf8'),
  ]);
  const roots = controllerRoots(mounts);
  const folders = new Map<string, string>();
  for (const line of membership.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const own = upToContainer(path, containerId);
    if (own === undefined) continue;
    for (const controller of controllers.split(',')) {
      const root = roots.get(controller);
      if (root !== undefined) folders.set(controller, join(root.mountPoint, posix.relative(root.root, own)));
    }
  }
  if (folders.size === 0) throw new Error(`process ${pid} is not in a cgroup of container ${containerId}`);
  return new ContainerCgroup(folders);
}

/** The container's processes may have made cgroups below its own. */
function upToContainer(path: string, containerId: string): string | undefined {
  const parts = path.split('/');
  const index = parts.findIndex((part) => part.includes(containerId));
  return index === -1 ? undefined : parts.slice(0, index + 1).join('/');
}

/** Mount point of each cgroup v1 controller, and under '' that of cgroup v2, with the cgroup that it shows. */
export function controllerRoots(mountinfo: string): Map<string, { mountPoint: string; root: string }> {
  const roots = new Map<string, { mountPoint: string; root: string }>();
  for (const line of mountinfo.split('\n')) {
    const [head = '', tail = ''] = line.split(' - ');
    const [, , , root = '', mountPoint = ''] = head.split(' ');
    const [type, , options = ''] = tail.split(' ');
    if (type === 'cgroup2') roots.set('', { mountPoint, root });
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) roots.set(option, { mountPoint, root });
  }
  return roots;
}
