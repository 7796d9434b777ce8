import { readFile, realpath } from 'node:fs/promises';

/** Whether a mount passes mount events on to others, and takes them from others. */
export interface Propagation {
  shared: boolean;
  slave: boolean;
  mountPoint: string;
}

/**
 * How the mount that holds a path of the node propagates; undefined when the path does not exist, which the Engine tells
 * by itself.
 */
export async function propagationOf(path: string): Promise<Propagation | undefined> {
  const real = await realpath(path).catch(() => undefined);
  return real === undefined ? undefined : holdingMount(await readFile('/proc/self/mountinfo', 'utf8'), real);
}

/**
 * The last mounted of the deepest mount points above `path`, which holds no links. `mountinfo` is the text of
 * `/proc/self/mountinfo`.
 */
export function holdingMount(mountinfo: string, path: string): Propagation | undefined {
  let best: Propagation | undefined;
  for (const line of mountinfo.split('\n')) {
    const [head = ''] = line.split(' - ');
    const [, , , , escaped, , ...tags] = head.split(' ');
    if (escaped === undefined) continue;
    const mountPoint = unescapePath(escaped);
    if (!isBelow(path, mountPoint) || mountPoint.length < (best?.mountPoint.length ?? 0)) continue;
    best = {
      mountPoint,
      shared: tags.some((tag) => tag.startsWith('shared:')),
      slave: tags.some((tag) => tag.startsWith('master:')),
    };
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
