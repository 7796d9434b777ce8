import { existsSync, fstatSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { readAnchor, readTorn, type Anchor } from './log-tail.js';
import { openLog } from './open-log.js';

/** Records wait this long for others, to be written with them. */
const GATHER_MS = 50;
/** How often it is looked whether the file is still there. */
const CHECK_EVERY_MS = 1_000;
/** With this much waiting it is written at once, and who appends has to wait. */
const FULL_BYTES = 256 * 1024;
const RETRY_MS = 1_000;
const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

/** The file is not the one that was written to: what to write must be found out anew from what is there. */
export class StartOver extends Error {
  override readonly name = 'StartOver';
}

export interface LogFileOptions {
  path: string;
  /** Told of the first failure to write, such as that of a full disk, and with undefined when it works again. */
  onProblem: (problem: string | undefined) => void;
  /** Ends the tries to write what cannot be written. */
  signal: AbortSignal;
}

/**
 * The file that a container's log is written to. Records are gathered for a moment and written together, whole. When
 * that fails they are kept, and tried again until it works: then `append` makes the reader of the Engine's log wait.
 * Call `begin` first; calls may overlap, and are done in order.
 */
export class LogFile {
  readonly #path: string;
  readonly #onProblem: LogFileOptions['onProblem'];
  readonly #signal: AbortSignal;
  #handle: FileHandle | undefined;
  /** The beginning of a record that a crash left at the end of the file, until it is completed. */
  #torn: Buffer = NOTHING;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The writing that is under way, also while it waits for the disk: never more than one. */
  #flushing: Promise<void> | undefined;
  #gone = false;
  #closed = false;
  #madeUnasked = false;
  #checkedAtMs = -Infinity;
  #failing = false;
  /** The last of the operations on the file. Never rejects. */
  #last: Promise<void> = Promise.resolve();

  constructor({ path, onProblem, signal }: LogFileOptions) {
    this.#path = path;
    this.#signal = signal;
    this.#onProblem = onProblem;
  }

  /**
   * Begins to write at the end of the file, and forgets what waited: what to write is found out from what is there, of which
   * the anchor is the last. Makes the file, and the folders above it, where there is none. Throws what the file system says.
   */
  async begin(notBefore: string): Promise<Anchor | undefined> {
    return this.#inOrder(async () => {
      this.#take();
      this.#gone = false;
      this.#failing = false; // if it still does, that is told anew
      const handle = this.#handle ?? (await this.#beginHandle());
      return readAnchor(handle, this.#path, notBefore);
    });
  }

  /** Whether there was no file to begin with, and none was asked for by `reopen`: somebody may be about to. */
  get madeUnasked(): boolean {
    return this.#madeUnasked;
  }

  /**
   * Adds records (whole ones) to what is written. The promise, if there is one, is to be awaited before more is added.
   * Throws StartOver.
   */
  append(records: Buffer): Promise<void> | undefined {
    this.#throwIfGone();
    this.#waiting.push(records);
    this.#waitingBytes += records.length;
    if (this.#waitingBytes >= FULL_BYTES) return this.#drain();
    if (this.#flushing === undefined) this.#timer ??= setTimeout(() => this.#drainUnawaited(), GATHER_MS);
    return undefined;
  }

  /**
   * Resolves when all that was added stands in the file at the path; while the disk is full, that is when it no longer is.
   * Throws StartOver, or an AbortError.
   */
  async flush(): Promise<void> {
    await this.#drain();
    this.#checkedAtMs = -Infinity;
    await this.#inOrder(async () => {
      if (this.#handle !== undefined && this.#isUnlinked(this.#handle)) await this.#abandon(this.#handle);
    });
    this.#throwIfGone();
  }

  /**
   * From now on writes to a new file at the path, whatever the old one has become. If that fails, to the old one. Once the log
   * is closed only a file that was made unasked is accepted as the new one. Throws what the file system says, and
   * FAILED_PRECONDITION.
   */
  async reopen(): Promise<void> {
    await this.#inOrder(async () => {
      if (this.#closed && !this.#madeUnasked) {
        throw new CriError(Code.FAILED_PRECONDITION, `log ${this.#path} is complete`);
      }
      this.#madeUnasked = false;
      if (this.#closed) return;
      await this.#leave();
      const { handle, torn } = await this.#openHandle();
      await this.#handle?.close();
      this.#handle = handle;
      this.#torn = torn;
    });
    this.#drainUnawaited();
  }

  /** Writes what can be written, and closes. */
  async close(): Promise<void> {
    await this.#inOrder(async () => {
      this.#closed = true;
      await this.#tryWriting();
      await this.#handle?.close();
      this.#handle = undefined;
    });
  }

  async #beginHandle(): Promise<FileHandle> {
    const isNew = !existsSync(this.#path);
    const { handle, torn } = await this.#openHandle();
    this.#madeUnasked ||= isNew;
    this.#handle = handle;
    this.#torn = torn;
    return handle;
  }

  async #openHandle(): Promise<{ handle: FileHandle; torn: Buffer }> {
    const handle = await openLog(this.#path);
    try {
      return { handle, torn: await readTorn(handle) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #drain(): Promise<void> {
    if (this.#waiting.length > 0) this.#flushing ??= this.#writeAll();
    await this.#flushing;
    this.#throwIfGone();
  }

  #throwIfGone(): void {
    if (this.#gone) throw new StartOver(`log ${this.#path} was replaced`);
  }

  async #writeAll(): Promise<void> {
    try {
      do {
        const done = await this.#inOrder(() => this.#tryWriting());
        if (!done) await delay(RETRY_MS, undefined, { signal: this.#signal });
      } while (this.#waiting.length > 0);
    } finally {
      this.#flushing = undefined;
    }
  }

  /** Says whether nothing is left to write. Throws nothing. */
  async #tryWriting(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const handle = this.#handle;
    if (handle === undefined || this.#waiting.length === 0) return true;
    try {
      if (this.#isUnlinked(handle)) await this.#abandon(handle);
      else await this.#write(handle, this.#take());
    } catch (error) {
      this.#tell(messageOf(error));
      return false;
    }
    this.#tell(undefined);
    return true;
  }

  /** Writes all of it, or throws and keeps what is left, from the beginning of a record on. */
  async #write(handle: FileHandle, records: Buffer): Promise<void> {
    let written = 0;
    try {
      written = await this.#completeTorn(handle, records);
      while (written < records.length) {
        written += (await handle.write(records, written)).bytesWritten;
      }
    } catch (error) {
      const kept = written === 0 ? 0 : records.lastIndexOf(NEWLINE, written - 1) + 1;
      this.#waiting.unshift(records.subarray(kept));
      this.#waitingBytes += records.length - kept;
      if (written > kept) await cutOff(handle, written - kept);
      throw error;
    }
  }

  /**
   * Says how many bytes of the records stand in the file already: the beginning of the first, cut by a crash. It is the
   * same record as a rule, and is completed without a step that readers could take for a new file.
   */
  async #completeTorn(handle: FileHandle, records: Buffer): Promise<number> {
    const bytes = this.#torn.length;
    if (!records.subarray(0, bytes).equals(this.#torn)) {
      await this.#dropTorn(handle);
      return 0;
    }
    this.#torn = NOTHING;
    return bytes;
  }

  async #dropTorn(handle: FileHandle): Promise<void> {
    if (this.#torn.length > 0) await cutOff(handle, this.#torn.length);
    this.#torn = NOTHING;
  }

  /** All that waits, as one piece. */
  #take(): Buffer {
    const [first] = this.#waiting;
    const records = first !== undefined && this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    return records;
  }

  /** Sees to it that nothing written to the present file is missing when another one takes its place. */
  async #leave(): Promise<void> {
    this.#checkedAtMs = -Infinity;
    const handle = this.#handle;
    if (handle === undefined) return;
    if (this.#isUnlinked(handle)) await this.#abandon(handle);
    // Before the new one is looked at: it is the same file when nobody has renamed it.
    else await this.#dropTorn(handle);
  }

  /** Not looked up each time: what was written to such a file meanwhile is then found missing, and written anew. */
  #isUnlinked(handle: FileHandle): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#checkedAtMs < CHECK_EVERY_MS) return false;
    this.#checkedAtMs = nowMs;
    return fstatSync(handle.fd).nlink === 0;
  }

  /** Nobody would read what is written here: it is found out anew what the file at the path lacks. */
  async #abandon(handle: FileHandle): Promise<void> {
    this.#gone = true;
    this.#take();
    this.#handle = undefined;
    await handle.close();
  }

  #tell(problem: string | undefined): void {
    if (this.#failing === (problem !== undefined)) return;
    this.#failing = problem !== undefined;
    this.#onProblem(problem);
  }

  #drainUnawaited(): void {
    this.#drain().catch(() => undefined); // the next `append` tells
  }

  async #inOrder<T>(action: () => Promise<T>): Promise<T> {
    const run = this.#last.then(action);
    this.#last = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }
}

async function cutOff(handle: FileHandle, bytes: number): Promise<void> {
  const { size } = fstatSync(handle.fd);
  await handle.truncate(size - bytes);
}
