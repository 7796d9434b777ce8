import { fstatSync } from 'node:fs';
import { readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPart, TIME_BYTES, timeAndStream } from './log-record.js';
import { openLogToRead } from './open-log.js';

/** How much of the end of a file is read. */
const WINDOW_BYTES = 256 * 1024;
/** The Engine's messages are not quite in order of time: two streams are read side by side. */
const DISORDER_MS = 10_000;
const NEWLINE = 0x0a;

/** What must be known of a written log to go on behind it. */
export interface Anchor {
  /** The last complete record, with its newline. */
  readonly record: Buffer;
  /** How many records like it there are: parts of one line carry one time, and may be equal. */
  readonly occurrences: number;
  /** From where the Engine's log must be read to find them, as its `since`. */
  readonly since: string;
}

/**
 * Reads at the end of the log that `file`, open at `path`, is the newest file of, what was written last; undefined when that is
 * nothing from after `notBefore` (RFC 3339), when this container was made. Where the file is too short, it is read on in
 * those that it was before.
 *
 * The files themselves tell where to go on, and nothing beside them has to be kept in step. The Engine's log is a fixed
 * sequence, and what we wrote is a run of it: the place to go on is behind our last record, found by its bytes.
 */
export async function readAnchor(
  file: FileHandle,
  path: string,
  notBefore: string,
): Promise<Anchor | undefined> {
  const { ino, size } = fstatSync(file.fd);
  const records = recordsIn(await readEnd(file, size));
  for (const rotated of await rotatedFiles(path, ino)) {
    if (oldestNeeded(records) > 0) break;
    records.unshift(...recordsIn(await readEndAt(rotated)));
  }
  const last = records.at(-1);
  const marks = last && timeAndStream(last);
  if (last === undefined || marks === undefined || marks < notBefore.slice(0, 19)) return undefined;
  return {
    record: Buffer.from(last), // a copy, which does not keep the whole window in memory
    occurrences: records.filter((record) => record.equals(last)).length,
    since: sinceOf(records, marks),
  };
}

/**
 * Of the last records of a log those behind the anchor; undefined where that cannot be told from them. `isWhole` says that they
 * are all there are.
 */
export function recordsBehind(
  anchor: Anchor,
  records: readonly Buffer[],
  isWhole: boolean,
): readonly Buffer[] | undefined {
  const first = records.findIndex((record) => record.equals(anchor.record));
  // Those that are equal to it are of one line, and to be counted from its beginning.
  if (!isWhole && oldestNeeded(records.slice(0, first + 1)) === 0) return undefined;
  let occurrences = 0;
  const place = records.findIndex(
    (record) => record.equals(anchor.record) && (occurrences += 1) === anchor.occurrences,
  );
  return place === -1 ? undefined : records.slice(place + 1);
}

/** What stands behind the last newline of a file: a record that a crash cut. */
export async function readTorn(file: FileHandle): Promise<Buffer> {
  const end = await readEnd(file);
  return Buffer.from(end.subarray(end.lastIndexOf(NEWLINE) + 1)); // a copy: as above
}

async function readEndAt(path: string): Promise<Buffer> {
  const file = await openLogToRead(path);
  if (file === undefined) return Buffer.alloc(0);
  try {
    return await readEnd(file);
  } finally {
    await file.close();
  }
}

/** The last bytes of a file of `size`, at most a window of them. */
async function readEnd(file: FileHandle, size = fstatSync(file.fd).size): Promise<Buffer> {
  if (size === 0) return Buffer.alloc(0);
  const start = Math.max(0, size - WINDOW_BYTES);
  const buffer = Buffer.alloc(size - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return buffer.subarray(0, bytesRead);
}

/** The complete records in the end of a file; the first line may lack its beginning and is then none. */
function recordsIn(end: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0, newline = end.indexOf(NEWLINE); newline !== -1; newline = end.indexOf(NEWLINE, at)) {
    const line = end.subarray(at, newline + 1);
    if (timeAndStream(line) !== undefined) records.push(line);
    at = newline + 1;
  }
  return records;
}

/** The index of the first record that is of the last one's line; 0 also when its line may begin in an earlier file. */
function oldestNeeded(records: readonly Buffer[]): number {
  const last = records.at(-1);
  const marks = last && timeAndStream(last);
  const [, stream] = marks?.split(' ') ?? [];
  const other = records.findLastIndex((record) => {
    const theirs = timeAndStream(record);
    return theirs !== marks && theirs?.endsWith(` ${stream ?? ''}`);
  });
  return other + 1;
}

/**
 * The files that the log was renamed to, such as `0.log.20060102-150405`, the newest first, but for the one that is open: it
 * may be renamed at any time. The kubelet compresses all but the newest.
 */
async function rotatedFiles(path: string, openIno: number): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path)).catch(nothingIfMissing)) ?? [];
  const files: { path: string; mtimeNs: bigint }[] = [];
  for (const name of names.filter((each) => each.startsWith(prefix) && !/\.(gz|tmp)$/.test(each))) {
    const candidate = join(dirname(path), name);
    const status = await stat(candidate, { bigint: true }).catch(nothingIfMissing);
    if (status?.isFile() && Number(status.ino) !== openIno)
      files.push({ path: candidate, mtimeNs: status.mtimeNs });
  }
  files.sort((a, b) =>
    a.mtimeNs === b.mtimeNs ? (a.path < b.path ? 1 : -1) : a.mtimeNs < b.mtimeNs ? 1 : -1,
  );
  return files.map((file) => file.path);
}

/**
 * What is not written yet may be older than the last record only when it belongs to a line of the other stream of which
 * the first parts are written, or by the little that two streams may be out of order.
 */
function sinceOf(records: readonly Buffer[], lastMarks: string): string {
  const [lastTime = '', lastStream = ''] = lastMarks.split(' ');
  const other = records.findLast((record) => !timeAndStream(record)?.endsWith(lastStream));
  const otherTime = other !== undefined && isPart(other) ? other.toString('latin1', 0, TIME_BYTES) : lastTime;
  const time = otherTime < lastTime ? otherTime : lastTime;
  const seconds = Math.floor((Date.parse(time) - DISORDER_MS) / 1000);
  return `${Math.max(0, seconds)}.000000000`;
}

function nothingIfMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined;
  throw error;
}
