import { posix } from 'node:path';

/** One mount of a cgroup hierarchy, from /proc/self/mountinfo. */
interface Hierarchy {
  readonly mountPoint: string;
  /** What of the hierarchy is mounted there; `/` unless this process sees only a part of it. */
  readonly root: string;
}

/** Where the cgroup hierarchies are mounted. */
export interface CgroupMounts {
  /** The v2 hierarchy. On a hybrid host it has no memory or CPU controller, but tells pressure. */
  readonly unified: Hierarchy | undefined;
  /** The v1 hierarchies by controller, such as `memory` or `cpuacct`. */
  readonly controllers: ReadonlyMap<string, Hierarchy>;
}

/** Folders of one cgroup. */
export interface CgroupFolders {
  /** Its folder in the v2 hierarchy. */
  readonly unified: string | undefined;
  /** Its folders in the v1 hierarchies, by controller; empty on a host with v2 alone. */
  readonly controllers: ReadonlyMap<string, string>;
  /** Its path inside the hierarchies, as `/kubepods/pod1/<id>`. */
  readonly path: string;
}

/** Reads /proc/self/mountinfo (proc(5)). Of several mounts of one hierarchy the first counts. */
export function parseCgroupMounts(mountinfo: string): CgroupMounts {
  const controllers = new Map<string, Hierarchy>();
  let unified: Hierarchy | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', mountPoint = ''] = before.split(' ');
    const [type, , superOptions = ''] = after.split(' ');
    if (type === 'cgroup2') unified ??= { mountPoint, root };
    if (type !== 'cgroup') continue;
    for (const option of superOptions.split(',')) {
      if (!controllers.has(option)) controllers.set(option, { mountPoint, root });
    }
  }
  return { unified, controllers };
}

/**
 * The folders of the cgroup that Docker made for a container, from /proc/<pid>/cgroup of its main process
 * (cgroups(7)). Both drivers put the container's id into the name: `<parent>/<id>` and `<slice>/docker-<id>.scope`. A
 * process that moved itself further down, as systemd does, still counts for that cgroup. Undefined when the id is
 * not in the path: then the pid belongs to something else by now.
 */
export function containerCgroup(
  procCgroup: string,
  containerId: string,
  mounts: CgroupMounts,
): CgroupFolders | undefined {
  const controllers = new Map<string, string>();
  let unified: string | undefined;
  let path: string | undefined;
  for (const line of procCgroup.split('\n')) {
    const [, names, full] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const own = full === undefined ? undefined : ownPath(full, containerId);
    if (names === undefined || own === undefined) continue;
    path ??= own;
    if (names === '') unified = mounts.unified && folder(mounts.unified, own);
    for (const name of names.split(',')) {
      const hierarchy = mounts.controllers.get(name);
      if (hierarchy !== undefined) controllers.set(name, folder(hierarchy, own));
    }
  }
  return path === undefined ? undefined : { unified, controllers, path };
}

/** The cgroup that this one is in: of a sandbox, that of the pod. */
export function parentCgroup(cgroup: CgroupFolders): CgroupFolders {
  return {
    unified: cgroup.unified && posix.dirname(cgroup.unified),
    controllers: new Map([...cgroup.controllers].map(([name, path]) => [name, posix.dirname(path)])),
    path: posix.dirname(cgroup.path),
  };
}

/** The path up to the component that holds the id. */
function ownPath(path: string, containerId: string): string | undefined {
  const components = path.split('/');
  const index = components.findIndex((component) => component.includes(containerId));
  return index === -1 ? undefined : components.slice(0, index + 1).join('/');
}

function folder({ mountPoint, root }: Hierarchy, path: string): string {
  const inside = root !== '/' && path.startsWith(`${root}/`) ? path.slice(root.length) : path;
  return posix.join(mountPoint, inside);
}
