import type { Stats } from 'node:fs';
import { lstat, type FileHandle } from 'node:fs/promises';
import { below, nameBatches, openFolder, unlessGone } from './folder-entries.js';

/** What a folder and everything below it takes on its filesystem. */
export interface FolderSize {
  /** Allocated, so that holes in files do not count; of a file with several names once. */
  readonly bytes: number;
  readonly inodes: number;
  /** False when something was left out: it could not be read, or was moved meanwhile. Then it is at least this size. */
  readonly isWhole: boolean;
}

const BLOCK_BYTES = 512;
/** File system calls between two pauses. */
const CALLS_A_STEP = 64;
/** Names of folders that are kept to be walked later; the rest of a folder that has more is read anew. */
const MAX_NAMES = 8_192;
const MIN_NAMES_A_FOLDER = 16;
/** What is deeper is left out. A path of the kernel has at most 2,048 parts. */
const MAX_DEPTH = 10_000;

/** A folder on the way from the root to where the walk is. */
interface Level {
  /** Names are in latin1, a character a byte, as they need not be UTF-8. */
  readonly name: string;
  readonly ino: number;
  /** Folders in it that are to be walked. */
  names: string[];
  /** How many of its folders were put into `names` until now. */
  taken: number;
  /** False once it was read to its end. */
  hasMore: boolean;
}

/**
 * Walks through a folder that somebody else may change meanwhile. Yields what was counted so far after every few calls, and
 * returns the whole size; undefined when the folder is not there, throws when it cannot be opened. What cannot be read or
 * vanishes below it is left out. To give up, call `return`.
 *
 * The way leads from descriptor to descriptor (`/proc/self/fd/N/name`, never a link, never another device), and back
 * up by `..` only when that is the folder that it came from: no link, however it is swapped in, leads out of the folder, and
 * no path is too long. It takes three descriptors and a bounded memory, whatever is in the folder.
 */
export async function* walkFolder(
  root: string,
): AsyncGenerator<FolderSize, FolderSize | undefined, undefined> {
  const top = await unlessGone(openFolder(root));
  if (top === undefined) return undefined;
  const walk = new Walk(top);
  try {
    yield* walk.run();
    return walk.size;
  } finally {
    await walk.close();
  }
}

/** Walks through a folder to its end; calls `pause` after every few calls. Answers and throws as `walkFolder`. */
export async function measureFolder(
  root: string,
  pause: () => Promise<void>,
): Promise<FolderSize | undefined> {
  const walk = walkFolder(root);
  for (;;) {
    const { done, value } = await walk.next();
    if (done === true) return value;
    await pause();
  }
}

class Walk {
  readonly #top: FileHandle;
  #here: FileHandle;
  #device = 0;
  readonly #levels: Level[] = [];
  #bytes = 0;
  #inodes = 0;
  #isWhole = true;
  #names = 0;
  #calls = 0;

  constructor(top: FileHandle) {
    this.#top = top;
    this.#here = top;
  }

  get size(): FolderSize {
    return { bytes: Math.round(this.#bytes), inodes: Math.round(this.#inodes), isWhole: this.#isWhole };
  }

  async close(): Promise<void> {
    await this.#moveTo(this.#top);
    await this.#top.close();
  }

  async *run(): AsyncGenerator<FolderSize, void, undefined> {
    const stats = await this.#top.stat();
    this.#device = stats.dev;
    this.#count(stats);
    this.#enter('', stats);
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const name = level.names.pop();
      if (name !== undefined) {
        this.#names -= 1;
        await this.#descend(name);
      } else if (level.hasMore) yield* this.#read(level);
      else yield* this.#ascend();
      if (this.#stepIsOver()) yield this.size;
    }
  }

  /** Counts what is in the folder, but for folders that do not fit into `names`: those are left for another time. */
  async *#read(level: Level): AsyncGenerator<FolderSize, void, undefined> {
    this.#calls += 4; // opened, read to its end, closed
    const isFirstTime = level.taken === 0;
    const room = Math.max(MIN_NAMES_A_FOLDER, Math.floor((MAX_NAMES - this.#names) / 2));
    level.hasMore = false;
    try {
      for await (const names of nameBatches(this.#here, level.taken)) {
        for (const [name, stats] of await this.#look(names)) {
          if (stats.dev !== this.#device) continue; // something is mounted there
          if (!stats.isDirectory()) {
            if (isFirstTime) this.#count(stats);
          } else if (level.names.length >= room) {
            level.hasMore = true;
          } else {
            this.#count(stats);
            level.names.push(name);
            level.taken += 1;
            this.#names += 1;
          }
        }
        if (this.#stepIsOver()) yield this.size;
        if (level.hasMore && !isFirstTime) break; // the files in it are counted already
      }
    } catch {
      this.#isWhole = false;
    }
  }

  /** What these names are, but for those that have vanished. */
  async #look(names: readonly string[]): Promise<[string, Stats][]> {
    this.#calls += names.length;
    const found = await Promise.all(
      names.map(async (name): Promise<[string, Stats] | undefined> => {
        const stats = await this.#unlessUnreadable(lstat(below(this.#here, name)));
        return stats && [name, stats];
      }),
    );
    return found.filter((entry) => entry !== undefined);
  }

  async #descend(name: string): Promise<void> {
    if (this.#levels.length >= MAX_DEPTH) {
      this.#isWhole = false;
      return;
    }
    const [folder, stats] = (await this.#open(name)) ?? [];
    if (folder === undefined || stats === undefined) return;
    await this.#moveTo(folder);
    this.#enter(name, stats);
  }

  async *#ascend(): AsyncGenerator<FolderSize, void, undefined> {
    this.#levels.pop();
    const parent = this.#levels.at(-1);
    if (parent === undefined) return;
    if (this.#levels.length === 1) return this.#moveTo(this.#top);
    const [folder, stats] = (await this.#open('..')) ?? [];
    if (stats?.ino === parent.ino && folder !== undefined) return this.#moveTo(folder);
    await folder?.close();
    yield* this.#descendAnew();
  }

  /** The folder was moved under the walk's feet: from the top by the names of before, as far as they are the same folders. */
  async *#descendAnew(): AsyncGenerator<FolderSize, void, undefined> {
    await this.#moveTo(this.#top);
    for (const [depth, { name, ino }] of [...this.#levels.entries()].slice(1)) {
      const [folder, stats] = (await this.#open(name)) ?? [];
      if (folder === undefined || stats?.ino !== ino) {
        await folder?.close();
        for (const { names } of this.#levels.splice(depth)) this.#names -= names.length;
        this.#isWhole = false;
        return;
      }
      await this.#moveTo(folder);
      if (this.#stepIsOver()) yield this.size;
    }
  }

  /** A folder in the one where the walk is; undefined when it has vanished, is none any more, or is another device's. */
  async #open(name: string): Promise<[FileHandle, Stats] | undefined> {
    this.#calls += 4; // opened, looked at, closed, and what a handle costs
    const folder = await this.#unlessUnreadable(openFolder(below(this.#here, name)));
    if (folder === undefined) return undefined;
    const stats = await folder.stat();
    if (stats.dev === this.#device) return [folder, stats];
    await folder.close();
    return undefined;
  }

  #enter(name: string, { ino }: Stats): void {
    this.#levels.push({ name, ino, names: [], taken: 0, hasMore: true });
  }

  async #moveTo(folder: FileHandle): Promise<void> {
    const left = this.#here;
    this.#here = folder;
    if (left !== this.#top) await left.close();
  }

  /** A file of several names is met once for each of them, and counts in shares: no name has to be remembered. */
  #count(stats: Stats): void {
    const share = stats.isDirectory() ? 1 : 1 / Math.max(1, stats.nlink);
    this.#bytes += stats.blocks * BLOCK_BYTES * share;
    this.#inodes += share;
  }

  async #unlessUnreadable<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await unlessGone(work);
    } catch {
      this.#isWhole = false;
      return undefined;
    }
  }

  #stepIsOver(): boolean {
    if (this.#calls < CALLS_A_STEP) return false;
    this.#calls = 0;
    return true;
  }
}
