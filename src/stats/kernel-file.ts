import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** What most files of a cgroup fit in; longer ones are read in several steps. */
const CHUNK_BYTES = 16 * 1024;

/** What comes in one step and is shorter than this, less than a page, is the whole file. */
const SURELY_WHOLE_BYTES = 3072;

/** What is left of this process's descriptors for all else: half of them, or this many where there are plenty. */
const SPARED_DESCRIPTORS = 5_000;
const FALLBACK_LIMIT = 1024;

/**
 * The object behind the file is gone, or the kernel does not offer what the file is for. EINVAL: the mounts or the network
 * of a process that has ended, until its parent has taken note.
 */
const GONE: ReadonlySet<unknown> = new Set([
  ...['ENOENT', 'ENODEV', 'ESRCH', 'ENOTDIR', 'EOPNOTSUPP', 'EACCES', 'EINVAL'],
]);

/**
 * Opens small files that the kernel makes up when they are read, below /proc and /sys/fs/cgroup. They are read in one
 * go without promises, since the kernel answers from memory: with a kept descriptor a read takes 2 to 4 µs, with
 * open and close 10 to 20 µs, as a promise 100 µs and more (measured, Node 20). Only so many descriptors are kept;
 * files opened beyond that are opened at each read.
 */
export class KernelFiles {
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #left: number;

  /** `maxKept`: how many descriptors may be kept at a time; by default all that the process may have but those it spares. */
  constructor(maxKept = keptOf(openFilesLimit())) {
    this.#left = maxKept;
  }

  /** The file at this path, which is opened when it is first read. It must be closed in the end. */
  file(path: string): KernelFile {
    return new KernelFile(path, this);
  }

  /** The file's text now, or undefined when it is gone. Keeps nothing open. */
  readOnce(path: string): string | undefined {
    try {
      const fd = openSync(path, 'r');
      try {
        return this.readWhole(fd, null);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (!isGone(error)) throw error;
      return undefined;
    }
  }

  /** Opens a file for good; undefined when no more descriptors may be kept. Throws when it cannot be opened. */
  keepOpen(path: string): number | undefined {
    if (this.#left <= 0) return undefined;
    const fd = openSync(path, 'r');
    this.#left -= 1;
    return fd;
  }

  /** Closes what `keepOpen` has opened. */
  close(fd: number): void {
    closeSync(fd);
    this.#left += 1;
  }

  /** The text behind a descriptor from its start (`position` 0), or from where it stands (null). */
  readWhole(fd: number, position: 0 | null): string {
    const length = readSync(fd, this.#chunk, 0, CHUNK_BYTES, position);
    const text = this.#chunk.toString('latin1', 0, length);
    // Files of more than a page come page by page, so only an empty read is the end of a long one.
    return length < SURELY_WHOLE_BYTES ? text : text + this.#rest(fd, position === null ? null : length);
  }

  #rest(fd: number, position: number | null): string {
    let rest = '';
    for (;;) {
      const at = position === null ? null : position + rest.length;
      const length = readSync(fd, this.#chunk, 0, CHUNK_BYTES, at);
      if (length === 0) return rest;
      rest += this.#chunk.toString('latin1', 0, length);
    }
  }
}

/** One file that is read again and again. */
export class KernelFile {
  readonly #path: string;
  readonly #files: KernelFiles;
  #fd: number | undefined;
  #isGone = false;

  constructor(path: string, files: KernelFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** The text now; undefined when there is no such file, and from then on. */
  read(): string | undefined {
    if (this.#isGone) return undefined;
    let text: string | undefined;
    try {
      this.#fd ??= this.#files.keepOpen(this.#path);
      text = this.#fd === undefined ? this.#files.readOnce(this.#path) : this.#files.readWhole(this.#fd, 0);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    if (text === undefined) {
      this.close();
      this.#isGone = true;
    }
    return text;
  }

  close(): void {
    if (this.#fd === undefined) return;
    this.#files.close(this.#fd);
    this.#fd = undefined;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && GONE.has(error.code);
}

function keptOf(limit: number): number {
  return limit - Math.min(Math.floor(limit / 2), SPARED_DESCRIPTORS);
}

function openFilesLimit(): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  return Number(soft ?? FALLBACK_LIMIT);
}
