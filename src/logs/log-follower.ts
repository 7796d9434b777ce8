import { setTimeout as delay } from 'node:timers/promises';
import type { Engine, LogMessage } from '../docker/engine.js';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { LogFile, StartOver } from './log-file.js';
import { formatRecords, isRecord, isYounger } from './log-record.js';
import { readAnchor, type Anchor } from './log-tail.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;

/** A container whose log is written here. */
export interface LogSource {
  readonly id: string;
  /** Absolute path of the CRI log. */
  readonly path: string;
  readonly tty: boolean;
  /** When the container was made, RFC 3339: no record of it is older. */
  readonly createdAt: string;
}

/** A place in the Engine's messages: behind so many, of which this, as a record, is the last. */
interface Position {
  readonly count: number;
  readonly last: Buffer;
}

/** Why a container's log is not being written now. */
export interface LogProblem {
  readonly reason: 'DriverNotReadable' | 'CannotRead' | 'CannotWrite';
  readonly message: string;
}

/**
 * Writes the log of one container, from what the file already holds to the container's end. When the connection to the
 * Engine breaks it goes on where the file ends; when the container has ended, the Engine's log is read once more to its end.
 */
export class LogFollower {
  /** Resolves when the log is complete, or never will be. */
  readonly done: Promise<void>;
  readonly #engine: Engine;
  readonly #source: LogSource;
  readonly #log: Logger;
  readonly #file: LogFile;
  readonly #stop = new AbortController();
  #problem: LogProblem | undefined;
  #isDone = false;

  constructor(engine: Engine, source: LogSource, log: Logger) {
    this.#engine = engine;
    this.#source = source;
    this.#log = log.child({ containerId: source.id, logPath: source.path });
    this.#file = new LogFile({
      path: source.path,
      onProblem: (message) => this.#onFileProblem(message),
      signal: this.#stop.signal,
    });
    this.done = this.#run().finally(() => (this.#isDone = true));
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get problem(): LogProblem | undefined {
    return this.#problem;
  }

  /** Goes on in a new file at the log's path. Throws what the file system says; then the old file is written on. */
  async reopen(): Promise<void> {
    await this.#file.reopen();
  }

  /** Writes what has been read, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort(new CriError(Code.CANCELLED, 'cridock is stopping'));
    await this.done;
  }

  async #run(): Promise<void> {
    let pauseMs = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await delay(pauseMs, undefined, { signal: this.#stop.signal });
        const { State: state } = await this.#engine.inspectContainer(this.#source.id, this.#stop);
        const beganMs = performance.now();
        await this.#readToEnd();
        // What was read after the container had ended is all there is.
        if (!state.Running) break;
        pauseMs = performance.now() - beganMs > LONGEST_RETRY_MS ? 0 : nextPause(pauseMs, 1);
      } catch (error) {
        if (this.#isFinal(error)) break;
        pauseMs = nextPause(pauseMs, FIRST_RETRY_MS);
      }
    }
    await this.#file.close().catch((error: unknown) => {
      this.#log.warn('the log could not be closed', { error: messageOf(error) });
    });
  }

  /** One reading of the Engine's log, from where the file ends. Ends with the container. */
  async #readToEnd(): Promise<void> {
    await this.#file.begin();
    const anchor = await readAnchor(this.#source.path, this.#source.createdAt);
    const known = anchor && (await this.#find(anchor));
    let left = known?.count ?? 0;
    await this.#read(true, anchor?.since, (messages) => {
      this.#solved('CannotRead');
      if (left === 0) return this.#file.append(formatRecords(messages));
      const last = messages[left - 1];
      const fresh = messages.slice(left);
      left = Math.max(0, left - messages.length);
      // Between the two readings the Engine has dropped its oldest messages: the count no longer holds.
      if (last && known && !isRecord(last, known.last)) throw new StartOver('the Engine dropped messages');
      return fresh.length === 0 ? undefined : this.#file.append(formatRecords(fresh));
    });
    await this.#file.flush();
  }

  /**
   * How far the Engine's messages since the anchor's `since` are written. When it no longer has our last one, that is up to
   * the last that is not younger.
   */
  async #find(anchor: Anchor): Promise<Position | undefined> {
    let count = 0;
    let occurrences = 0;
    let found: Position | undefined;
    let notYounger: { count: number; message: LogMessage } | undefined;
    await this.#read(false, anchor.since, (messages) => {
      for (const message of messages) {
        count += 1;
        if (!isYounger(message, anchor.record)) notYounger = { count, message };
        if (occurrences === anchor.occurrences || !isRecord(message, anchor.record)) continue;
        occurrences += 1;
        found = { count, last: anchor.record };
      }
      return undefined;
    });
    if (found !== undefined) return found;
    this.#log.warn('the Engine no longer has the line that the log ends with; lines in between may be lost');
    return notYounger && { count: notYounger.count, last: formatRecords([notYounger.message]) };
  }

  async #read(
    follow: boolean,
    since: string | undefined,
    onMessages: (messages: readonly LogMessage[]) => Promise<void> | undefined,
  ): Promise<void> {
    const { id, tty } = this.#source;
    await this.#engine.readLogs(id, { tty, follow, since, signal: this.#stop.signal, onMessages });
  }

  /** Takes note of why a reading ended, and says whether another one makes no sense. */
  #isFinal(error: unknown): boolean {
    if (this.#stop.signal.aborted || hasCode(error, Code.NOT_FOUND)) return true;
    if (hasCode(error, Code.UNIMPLEMENTED)) {
      this.#report('DriverNotReadable', `the container's log driver cannot be read: ${error.message}`);
      return true;
    }
    // While the Engine is away the whole node says so.
    if (error instanceof StartOver || hasCode(error, Code.UNAVAILABLE)) return false;
    this.#report(error instanceof CriError ? 'CannotRead' : 'CannotWrite', messageOf(error));
    return false;
  }

  #onFileProblem(message: string | undefined): void {
    if (message === undefined) this.#solved('CannotWrite');
    else this.#report('CannotWrite', message);
  }

  #report(reason: LogProblem['reason'], message: string): void {
    const isNews = this.#problem?.message !== message;
    this.#problem = { reason, message };
    if (isNews) this.#log.error('the log of this container is not written', { reason, error: message });
  }

  #solved(reason: LogProblem['reason']): void {
    if (this.#problem?.reason !== reason) return;
    this.#problem = undefined;
    this.#log.info('the log of this container is written again', { reason });
  }
}

function nextPause(pauseMs: number, firstMs: number): number {
  return Math.min(LONGEST_RETRY_MS, Math.max(firstMs, pauseMs * 2));
}
