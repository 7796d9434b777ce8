import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { holdingMount, parseMountinfo, type MountEntry } from '../convert/text/mountinfo.js';

/** Whether a mount passes mount events on to others, and takes them from others. */
export type Propagation = Pick<MountEntry, 'shared' | 'slave' | 'mountPoint'>;

/** How the mount propagates that holds a path of the node, or would hold it where nothing is there yet. */
export async function propagationOf(path: string): Promise<Propagation | undefined> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  return holdingMount(mounts, await deepestReal(path));
}

async function deepestReal(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  return real ?? (path === '/' ? path : deepestReal(dirname(path)));
}
