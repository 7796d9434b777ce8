import type { IncomingHttpHeaders } from 'node:http';
import { Code, CriError } from '../util/cri-error.js';
import type { PathStat } from './types.js';

const STAT_HEADER = 'x-docker-container-path-stat';
const BLOCK_BYTES = 512;
/** Entries of a tar archive that hold a file's content (POSIX ustar, type flag). */
const REGULAR_FILE = ['0', '\0'];
/** Entries that only tell more about the next one. */
const EXTENSIONS = ['x', 'g', 'L', 'K'];

/** Go's `os.ModeSymlink`. */
const SYMLINK = 1 << 27;

/** What the archive endpoint says of a path. Throws INTERNAL when the header is missing or malformed. */
export function readPathStat(headers: IncomingHttpHeaders): PathStat {
  const encoded = headers[STAT_HEADER];
  try {
    const stat = JSON.parse(Buffer.from(String(encoded), 'base64').toString()) as PathStat;
    // Podman tells the path itself of what is no link.
    return (stat.mode & SYMLINK) === 0 ? { ...stat, linkTarget: '' } : stat;
  } catch (error) {
    throw new CriError(Code.INTERNAL, `the Engine sent no usable ${STAT_HEADER} header`, { cause: error });
  }
}

/** The content of the first entry of a tar archive. Throws INTERNAL when that is no regular file. */
export function firstTarFile(tar: Buffer): Buffer {
  let offset = 0;
  while (offset + BLOCK_BYTES <= tar.length) {
    const type = tar.toString('latin1', offset + 156, offset + 157);
    const size = parseInt(tar.toString('latin1', offset + 124, offset + 136), 8) || 0;
    const start = offset + BLOCK_BYTES;
    if (REGULAR_FILE.includes(type)) return tar.subarray(start, start + size);
    if (!EXTENSIONS.includes(type)) break;
    offset = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  throw new CriError(Code.INTERNAL, 'the archive from the Engine does not begin with a file');
}
