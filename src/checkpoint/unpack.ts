import { createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Headers } from 'tar-stream';
import { CONFIG_DUMP, SPEC_DUMP } from '../convert/checkpoint/metadata.js';
import { CriError, invalidArgument } from '../util/cri-error.js';
import { IMAGES } from './dump-process.js';
import { DELETED_FILES, ROOTFS_DIFF } from './rootfs-diff.js';

/** What is taken from an archive, and how long it may be; Infinity for what is never held in memory. */
const TAKEN: ReadonlyMap<string, number> = new Map([
  [CONFIG_DUMP, 1 << 20],
  [SPEC_DUMP, 4 << 20],
  [DELETED_FILES, 16 << 20],
  [ROOTFS_DIFF, Infinity],
]);
/** What archives of CRI-O, containerd and Podman have besides: it is passed over, but must be plain files. */
const PASSED_OVER: ReadonlySet<string> = new Set([
  ...['status.dump', 'status', 'stats-dump', 'dump.log', 'container.log', 'bind.mounts', 'network.status'],
  ...[
    'io.kubernetes.cri-o.LogPath',
    'devshm-checkpoint.tar',
    'ctr.log',
    'pod.options',
    'pod.dump',
    'artifacts',
    'volumes',
  ],
]);
/** Of criu's images. */
const IMAGE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MAX_ENTRIES = 100_000;
const EXTENSIONS: ReadonlySet<string> = new Set(['pax-global-header', 'pax-header']);

/** Where an archive is from: that of an image has all else in it that the Engine puts into containers. */
export type ArchiveKind = 'archive' | 'image';

/**
 * Unpacks the parts of a checkpoint's archive that a restore needs into an empty folder of root's. It may come from anybody: nothing
 * but plain files and folders with names of the known form is taken, and nothing outside of the folder is written.
 * INVALID_ARGUMENT, that names `field`, for an archive that has anything else, is cut short, too long or incomplete.
 */
export async function unpackCheckpoint(
  source: Readable,
  folder: string,
  kind: ArchiveKind,
  field: string,
  signal: AbortSignal,
): Promise<void> {
  const tar = extract();
  const seen = new Set<string>();
  const take = async (header: Headers, content: Readable): Promise<void> => {
    // The Engine has the image's root folder before each name.
    const lead = kind === 'image' ? /^(?:\.?\/)+/ : /^(?:\.\/)+/;
    const name = header.name.replace(lead, '').replace(/\/+$/, '');
    if (seen.size > MAX_ENTRIES) throw new Error('it has too many entries');
    const place = placeOf(name, header, kind);
    if (place === undefined) {
      content.resume();
      return;
    }
    if (seen.has(name)) throw new Error(`"${shown(name)}" is in it twice`);
    seen.add(name);
    if (place === 'folder') {
      await mkdir(join(folder, name), { mode: 0o700 });
      content.resume();
      return;
    }
    if (name.startsWith(`${IMAGES}/`) && !seen.has(IMAGES)) {
      seen.add(IMAGES);
      await mkdir(join(folder, IMAGES), { mode: 0o700 });
    }
    await pipeline(content, createWriteStream(join(folder, name), { flags: 'wx', mode: 0o600 }), { signal });
  };
  tar.on('entry', (header, content, next) => {
    content.on('end', () => undefined);
    take(header, content as unknown as Readable).then(
      () => next(),
      (error: unknown) => tar.destroy(error as Error),
    );
  });
  try {
    await pipeline(source, tar, { signal });
    for (const name of [CONFIG_DUMP, SPEC_DUMP, `${IMAGES}/inventory.img`]) {
      if (!(await isFile(join(folder, name)))) throw new Error(`it has no ${name}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CriError) throw error;
    throw invalidArgument(field, `is no checkpoint: ${(error as Error).message}`, { cause: error });
  }
}

/** Undefined for what is passed over. Throws an Error for what makes the whole archive one that is not trusted. */
function placeOf(
  name: string,
  { type, size = 0 }: Headers,
  kind: ArchiveKind,
): 'file' | 'folder' | undefined {
  if (EXTENSIONS.has(String(type))) return undefined;
  const [top = '', ...below] = name.split('/');
  const isKnown = TAKEN.has(top) || top === IMAGES;
  if (kind === 'image' && !isKnown) return undefined;
  if (name === '' || name === '.') return undefined;
  if (type !== 'file' && type !== 'directory')
    throw new Error(`"${shown(name)}" is neither a file nor a folder`);
  if (name.startsWith('/') || below.includes('..') || below.includes('.') || below.includes('')) {
    throw new Error(`"${shown(name)}" is no name that a checkpoint has`);
  }
  if (!isKnown) {
    if (PASSED_OVER.has(top)) return undefined;
    throw new Error(`"${shown(name)}" is no name that a checkpoint has`);
  }
  if (name === IMAGES) {
    if (type !== 'directory') throw new Error(`"${IMAGES}" is no folder`);
    return 'folder';
  }
  const isPlain = top === IMAGES ? below.length === 1 && IMAGE_NAME.test(below[0] ?? '') : below.length === 0;
  if (!isPlain || type !== 'file') throw new Error(`"${shown(name)}" is no name that a checkpoint has`);
  if (size > (TAKEN.get(top) ?? Infinity)) throw new Error(`${name} is longer than it can be`);
  return 'file';
}

function shown(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
