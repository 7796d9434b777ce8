import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** What most files of a cgroup fit in; longer ones are read in several steps. */
const CHUNK_BYTES = 16 * 1024;

/** The share of this process's descriptors that may be kept for statistics. */
const KEPT_SHARE = 0.5;
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

  /** `maxKept`: how many descriptors may be kept at a time; by default half of what the process may have. */
  constructor(maxKept = Math.floor(openFilesLimit() * KEPT_SHARE)) {
    this.#left = maxKept;
  }

  /** The file at this path, which is opened when it is first read. It must be closed in the end. */
  file(path: string): KernelFile {
    return new KernelFile(path, this);
  }

  /** The file's text now, or undefined when it is gone. Keeps nothing open. */
  readOnce(path: string): string | undefined {
    return unlessGone(() => {
      const fd = openSync(path, 'r');
      try {
        return this.readWhole(fd, null);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** True when one more descriptor may be kept; it then counts as kept. */
  take(): boolean {
    if (this.#left <= 0) return false;
    this.#left -= 1;
    return true;
  }

  giveBack(): void {
    this.#left += 1;
  }

  /** The text behind a descriptor from its start (`position` 0), or from where it stands (null). */
  readWhole(fd: number, position: 0 | null): string {
    let text = '';
    let at: number | null = position;
    for (;;) {
      const length = readSync(fd, this.#chunk, 0, CHUNK_BYTES, at);
      text += this.#chunk.toString('latin1', 0, length);
      // Files of more than a page come page by page, so only an empty read is the end of a long one.
      if (length === 0 || (text.length === length && length < 3072)) return text;
      if (at !== null) at += length;
    }
  }
}

/** One file that is read again and again. */
export class KernelFile {
  readonly #path: string;
  readonly #files: KernelFiles;
  #fd: number | undefined;
  #state: 'unopened' | 'open' | 'gone' = 'unopened';

  constructor(path: string, files: KernelFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** The text now; undefined when there is no such file, and from then on. */
  read(): string | undefined {
    if (this.#state === 'gone') return undefined;
    const text = this.#state === 'open' ? this.#readKept() : this.#readFirst();
    if (text === undefined) {
      this.close();
      this.#state = 'gone';
    }
    return text;
  }

  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#state = 'unopened';
    this.#files.giveBack();
  }

  #readFirst(): string | undefined {
    if (!this.#files.take()) return this.#files.readOnce(this.#path);
    this.#fd = unlessGone(() => openSync(this.#path, 'r'));
    if (this.#fd === undefined) {
      this.#files.giveBack();
      return undefined;
    }
    this.#state = 'open';
    return this.#readKept();
  }

  #readKept(): string | undefined {
    const fd = this.#fd;
    return fd === undefined ? undefined : unlessGone(() => this.#files.readWhole(fd, 0));
  }
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && GONE.has(error.code)) return undefined;
    throw error;
  }
}

function openFilesLimit(): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  return Number(soft ?? FALLBACK_LIMIT);
}
