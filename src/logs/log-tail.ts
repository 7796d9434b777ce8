import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPart, TIME_BYTES, timeAndStream } from './log-record.js';

/** How much of the end of a file is read. */
const WINDOW_BYTES = 256 * 1024;
/** The Engine's messages are not quite in order of time: two streams are read side by side. */
const DISORDER_MS = 10_000;
const NEWLINE = 0x0a;

/** What is written already, as far as going on takes. */
export interface Anchor {
  /** The last complete record, with its newline. */
  readonly record: Buffer;
  /** How many records like it there are: parts of one line carry one time, and may be equal. */
  readonly occurrences: number;
  /** From where the Engine's log must be read to find them, as its `since`. */
  readonly since: string;
}

/**
 * Reads at the end of the log file, and where that is too short of those that it was before, what was written last;
 * undefined when that is nothing from after `notBefore` (RFC 3339), when this container was made.
 *
 * The file itself tells where to go on, and nothing beside it has to be kept in step. The Engine's log is a fixed
 * sequence, and what we wrote is a run of it: the place to go on is behind our last record, found by its bytes.
 */
export async function readAnchor(path: string, notBefore: string): Promise<Anchor | undefined> {
  const records = recordsIn(await readEnd(path));
  for (const rotated of await rotatedFiles(path)) {
    if (oldestNeeded(records) > 0) break;
    records.unshift(...recordsIn(await readEnd(rotated)));
  }
  const last = records.at(-1);
  const marks = last && timeAndStream(last);
  if (last === undefined || marks === undefined || marks < notBefore.slice(0, 19)) return undefined;
  return {
    record: last,
    occurrences: records.filter((record) => record.equals(last)).length,
    since: sinceOf(records, marks),
  };
}

/** What stands behind the last newline of a file: a record that a crash cut. */
export async function readTorn(path: string): Promise<Buffer> {
  const end = await readEnd(path);
  return end.subarray(end.lastIndexOf(NEWLINE) + 1);
}

/** The file's last bytes, at most a window of them; none when there is no file. */
async function readEnd(path: string): Promise<Buffer> {
  const file = await open(path, 'r').catch(nothingIfMissing);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - WINDOW_BYTES);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
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
 * The files that the log was renamed to, such as `0.log.20060102-150405`, the newest first. The kubelet compresses all
 * but that one.
 */
async function rotatedFiles(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = (await readdir(dirname(path)).catch(nothingIfMissing)) ?? [];
  const files: { path: string; mtimeNs: bigint }[] = [];
  for (const name of names.filter((each) => each.startsWith(prefix) && !/\.(gz|tmp)$/.test(each))) {
    const candidate = join(dirname(path), name);
    const status = await stat(candidate, { bigint: true }).catch(nothingIfMissing);
    if (status?.isFile()) files.push({ path: candidate, mtimeNs: status.mtimeNs });
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
