import { lstat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerChange } from '../docker/types.js';
import { inBatches } from '../util/batches.js';
import { isMissing } from '../util/is-missing.js';
import { writeTar } from './write-tar.js';

/** Names in the archive, as checkpointctl, CRI-O and containerd have them. */
export const ROOTFS_DIFF = 'rootfs-diff.tar';
export const DELETED_FILES = 'deleted.files';

const DELETED = 2;
/** What the runtime makes anew. */
const MADE_ANEW = ['/dev', '/proc', '/sys', '/run/.containerenv', '/.dockerenv'];
const LSTATS_A_STEP = 64;
const CHANGES_A_STEP = 1024;

/** What of the changes of a container's file system is kept. */
export interface FileChanges {
  /** Relative to its root. */
  readonly present: readonly string[];
  /** Absolute in the container. */
  readonly deleted: readonly string[];
}

/** `mounts` are paths in the container whose content is not its own. There may be so many changes that all else gets its turn meanwhile. */
export async function keptChanges(
  changes: readonly ContainerChange[],
  mounts: readonly string[],
  signal: AbortSignal,
): Promise<FileChanges> {
  const others = new Set([...MADE_ANEW, ...mounts]);
  const present: string[] = [];
  const deleted: string[] = [];
  for await (const some of inBatches(changes, CHANGES_A_STEP)) {
    signal.throwIfAborted();
    for (const { Path, Kind } of some) {
      if (Path === '/' || isAtOrBelow(Path, others)) continue;
      if (Kind === DELETED) deleted.push(Path);
      else present.push(`.${Path}`);
    }
  }
  return { present, deleted };
}

/**
 * Writes both files into the folder `work`, from a file system that stands still. Answers how many files are left out, as the
 * Engine tells their names, which are no UTF-8, not as they are.
 */
export async function writeRootfsDiff(
  root: string,
  { present, deleted }: FileChanges,
  work: string,
  signal: AbortSignal,
): Promise<number> {
  const found: string[] = [];
  for (let index = 0; index < present.length; index += LSTATS_A_STEP) {
    signal.throwIfAborted();
    const names = present.slice(index, index + LSTATS_A_STEP);
    const are = await Promise.all(names.map((name) => exists(join(root, name))));
    found.push(...names.filter((_, at) => are[at]));
  }
  const list = join(work, 'changes');
  await writeFile(list, found.map((name) => `${name}\0`).join(''), { mode: 0o600 });
  const words = ['--xattrs', '--xattrs-include=*', '--no-recursion', '--null', '--verbatim-files-from'];
  await writeTar(join(work, ROOTFS_DIFF), root, [...words, `--files-from=${list}`], signal);
  if (deleted.length > 0)
    await writeFile(join(work, DELETED_FILES), JSON.stringify(deleted), { mode: 0o600 });
  return present.length - found.length;
}

function isAtOrBelow(path: string, folders: ReadonlySet<string>): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (folders.has(path.slice(0, end))) return true;
  }
  return false;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}
