/** One line of `/proc/<pid>/mountinfo` (proc(5)), as far as it is looked at. */
export interface MountEntry {
  /** Which part of its file system it shows. */
  readonly root: string;
  readonly mountPoint: string;
  readonly shared: boolean;
  readonly slave: boolean;
  readonly type: string;
  /** Of the file system, as the kernel writes them: not unescaped. */
  readonly superOptions: readonly string[];
}

/** SELinux' contexts stand in quotes, and may have commas. */
const OPTION = /(?:"[^"]*"|[^,"])+/g;

/** All mounts, in the order in which they were made. Lines that cannot be read are left out. */
export function parseMountinfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const [head = '', tail = ''] = line.split(' - ');
    const [, , , root, mountPoint, , ...tags] = head.split(' ');
    const [type = '', , superOptions = ''] = tail.split(' ');
    if (root === undefined || mountPoint === undefined) return [];
    return [
      {
        root: unescapePath(root),
        mountPoint: unescapePath(mountPoint),
        shared: tags.some((tag) => tag.startsWith('shared:')),
        slave: tags.some((tag) => tag.startsWith('master:')),
        type,
        superOptions: superOptions.match(OPTION) ?? [],
      },
    ];
  });
}

/** The last mounted of the deepest mount points above `path`, which holds no links, or at it. */
export function holdingMount(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    if (isBelow(path, mountPoint) && mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount;
  }
  return best;
}

function isBelow(path: string, mountPoint: string): boolean {
  return mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
}

/** The kernel writes blanks, tabs, newlines and backslashes of paths in octal. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
