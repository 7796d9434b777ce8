import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Whether a mount passes mount events on to others, and takes them from others. */
export interface Propagation {
  shared: boolean;
  slave: boolean;
  mountPoint: string;
}

/** How the mount propagates that holds a path of the node, or would hold it where nothing is there yet. */
export async function propagationOf(path: string): Promise<Propagation | undefined> {
  return holdingMount(await readFile('/proc/self/mountinfo', 'utf8'), await deepestReal(path));
}

async function deepestReal(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  return real ?? (path === '/' ? path : deepestReal(dirname(path)));
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
