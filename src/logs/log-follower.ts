import { setTimeout as delay } from 'node:timers/promises';
import type { Engine, LogReadOptions } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { afterAnswers } from '../util/after-answers.js';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { jsonLogFilesOf, readJsonLog } from './json-log-files.js';
import { LogFile, StartOver } from './log-file.js';
import { formatRecords, isRecord, isYounger } from './log-record.js';
import { recordsBehind, type Anchor } from './log-tail.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;
/** The journal has all lines of a container so long after its end: they are put there by another process. */
const JOURNAL_DELAY_MS = 2_000;
/** The log drivers of which nothing comes once a log that is followed has ended with its container. */
const OWN_FILES: ReadonlySet<string> = new Set(['local', 'json-file']);
/** So long after the end of a log its container's end is waited for, before the Engine is asked for it. */
const END_NEWS_MS = 100;
/** A removal takes no longer, as a rule; where it has failed the Engine never gives the log again. */
const REMOVAL_MS = 60_000;
/** Of a log that has ended so many messages are read to see that it is complete. */
const TAIL_MESSAGES = 100;

/** A container whose log is written here. */
export interface LogSource {
  readonly id: string;
  /** Absolute path of the CRI log. */
  readonly path: string;
  readonly tty: boolean;
  /** When the container was made, RFC 3339: no record of it is older. */
  readonly createdAt: string;
}

type OnMessages = LogReadOptions['onMessages'];

/** The Engine's log of a container, as the Engine gives it or from its files. */
interface EngineLog {
  /** As `Engine.readLogs`. Says whether that was all: the container has ended, and what is read then does not change. */
  read(options: Pick<LogReadOptions, 'follow' | 'since' | 'onOpen' | 'onMessages'>): Promise<boolean>;
  /** Reads so many of the last messages of a container that has ended, where that can be done for less. */
  readTail?: (count: number, onMessages: OnMessages) => Promise<void>;
}

/** Why a container's log is not at its path, or is not being written now. */
export interface LogProblem {
  readonly reason: 'DriverNotReadable' | 'NothingToLink' | 'CannotRead' | 'CannotWrite';
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
  readonly #ended = new AbortController();
  #problem: LogProblem | undefined;
  /** Since when the Engine has refused the log as that of what is being removed; by `performance.now`. */
  #refusedSinceMs: number | undefined;
  /** The last line of ours that the Engine did not have. */
  #missed: Buffer | undefined;
  #isDone = false;
  /** When the last reading began that was made after a followed one had ended; unix ms of this machine. */
  #readOnceMoreAtMs: number | undefined;
  /** What the Engine has told of the container and was not used yet. */
  #told: ContainerInspect | undefined;

  /** `told`: what the Engine has just told of the container, if anything. */
  constructor(engine: Engine, source: LogSource, log: Logger, told?: ContainerInspect) {
    this.#told = told;
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

  /** Whether there was no file to go on in: see `LogFile`. */
  get madeFileUnasked(): boolean {
    return this.#file.madeUnasked;
  }

  /**
   * To be told when the container has ended: who reads the Engine's own files does not learn it there. `told` is what the
   * Engine tells of it then, if it can.
   */
  noteEnd(told?: ContainerInspect): void {
    this.#told = told;
    this.#ended.abort();
  }

  /** Goes on in a new file at the log's path. Throws what the file system says; then the old file is written on. */
  async reopen(): Promise<void> {
    await this.#file.reopen();
  }

  /** Writes what has been read, and ends. */
  async stop(): Promise<void> {
    if (!this.#isDone) this.#stop.abort(new CriError(Code.CANCELLED, 'cridock is stopping'));
    await this.done;
  }

  async #run(): Promise<void> {
    // Nobody waits for the beginning of a log, but for the answer to who has started the container.
    if (this.#told?.State.Running === true) await new Promise<void>(afterAnswers);
    let pauseMs = 0;
    while (!this.#stop.signal.aborted) {
      try {
        // A timer takes a millisecond at least, and somebody may wait for the log of a container that has ended.
        if (pauseMs > 0 && this.#told === undefined)
          await delay(pauseMs, undefined, { signal: this.#stop.signal });
        const container = await this.#container();
        if (!container.State.Running) this.#ended.abort();
        if (this.#hasReadSince(container)) break;
        const beganMs = performance.now();
        const log = this.#logOf(container);
        const isAll = await this.#readToEnd(log, container.State.Running);
        if (isAll && hasSettled(container)) break;
        if (!isAll && this.#endsWithContainer(container, log)) await this.#readOnceMore(log);
        await this.#newsOfEnd();
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

  /**
   * As a rule a followed log ends with its container, of which the Engine tells only once it has cleared up after it: what that
   * reading may have missed is read meanwhile.
   */
  async #readOnceMore(log: EngineLog): Promise<void> {
    this.#readOnceMoreAtMs = undefined;
    const beganAtMs = Date.now();
    await this.#readToEnd(log, false);
    this.#readOnceMoreAtMs = beganAtMs;
  }

  /** Whether nothing comes once its log has ended with it, and the Engine's clock, by which that is told, is this machine's. */
  #endsWithContainer(
    { HostConfig: { LogConfig: kept } }: ContainerInspect,
    { readTail }: EngineLog,
  ): boolean {
    return readTail !== undefined && this.#engine.isLocal && OWN_FILES.has(kept?.Type ?? '');
  }

  /** Whether all was read once more since the container's end, which is all there will be. */
  #hasReadSince({ State: state }: ContainerInspect): boolean {
    return !state.Running && Date.parse(state.FinishedAt) < (this.#readOnceMoreAtMs ?? -Infinity);
  }

  /** The container as the Engine told of it last, if that was not used yet, or as it tells now. */
  async #container(): Promise<ContainerInspect> {
    const told = this.#told;
    this.#told = undefined;
    return told ?? this.#engine.inspectContainer(this.#source.id, this.#stop);
  }

  /** A log ends a moment before others learn of the container's end. */
  async #newsOfEnd(): Promise<void> {
    if (this.#told !== undefined || this.#ended.signal.aborted) return;
    const signal = AbortSignal.any([this.#ended.signal, this.#stop.signal]);
    await delay(END_NEWS_MS, undefined, { signal }).catch(() => undefined);
  }

  /**
   * One reading of the Engine's log, from where the file ends: to its present end, or until the container ends. Says whether
   * the file is complete.
   */
  async #readToEnd(log: EngineLog, follow: boolean): Promise<boolean> {
    const anchor = await this.#file.begin(this.#source.createdAt);
    this.#solved('CannotWrite'); // that of opening and reading it; a full disk is told by the file
    if (!follow && anchor && (await this.#finish(anchor, log))) return true;
    const known = anchor && (await this.#find(anchor, log));
    const isLost = anchor !== undefined && known === undefined;
    let left = known ?? 0;
    // Finding the place does not solve it: what cannot be read may come behind it.
    const onOpen = (): void => this.#onReadable();
    const onMessages: OnMessages = (messages) => {
      const last = messages[left - 1];
      // Between the two readings the Engine has dropped its oldest messages: the count no longer holds.
      if (last && anchor && !isRecord(last, anchor.record))
        throw new StartOver('the Engine dropped messages');
      const fresh = left === 0 ? messages : messages.slice(left);
      left = Math.max(0, left - messages.length);
      const unwritten = isLost ? fresh.filter((message) => isYounger(message, anchor.record)) : fresh;
      return unwritten.length === 0 ? undefined : this.#file.append(formatRecords(unwritten));
    };
    const isAll = await log.read({ follow, since: anchor?.since, onOpen, onMessages });
    await this.#file.flush();
    return isAll;
  }

  /**
   * Writes what comes behind the anchor when that is among the last messages of a log that has ended: as a rule it is the very
   * last, and nothing else has to be read again. Says whether that is so.
   */
  async #finish(anchor: Anchor, { readTail }: EngineLog): Promise<boolean> {
    if (readTail === undefined) return false;
    const records: Buffer[] = [];
    await readTail(TAIL_MESSAGES, (messages) => {
      records.push(...messages.map((message) => formatRecords([message])));
      return undefined;
    });
    this.#onReadable();
    const isWhole = records.length < TAIL_MESSAGES;
    const rest = recordsBehind(anchor, records, isWhole);
    if (rest === undefined) return false;
    if (rest.length > 0) await this.#file.append(Buffer.concat(rest));
    await this.#file.flush();
    return true;
  }

  /**
   * How many of the Engine's messages since the anchor's `since` are written, of which the last is our last one; undefined when
   * the Engine no longer has that: then all that is younger is to be written.
   */
  async #find(anchor: Anchor, log: EngineLog): Promise<number | undefined> {
    let count = 0;
    let occurrences = 0;
    let found: number | undefined;
    const onMessages: OnMessages = (messages) => {
      for (const message of messages) {
        count += 1;
        if (occurrences === anchor.occurrences || !isRecord(message, anchor.record)) continue;
        occurrences += 1;
        found = count;
      }
      return undefined;
    };
    await log.read({ follow: false, since: anchor.since, onMessages });
    if (found !== undefined) return found;
    // Files are renamed while they are read, ours by the kubelet and the Engine's by itself: only what is seen twice is so.
    if (!this.#missed?.equals(anchor.record)) {
      this.#missed = anchor.record;
      throw new StartOver('the last line was not found');
    }
    this.#log.warn('the Engine no longer has the line that the log ends with; lines in between may be lost');
    return undefined;
  }

  #logOf(container: ContainerInspect): EngineLog {
    const { id, tty } = this.#source;
    const { signal } = this.#stop;
    const files = this.#engine.supports('1.42') ? undefined : jsonLogFilesOf(container);
    if (files !== undefined) {
      return { read: (options) => readJsonLog(files, { ...options, signal, ended: this.#ended.signal }) };
    }
    return {
      read: async (options) => {
        await this.#engine.readLogs(id, { ...options, tty, signal });
        return !options.follow;
      },
      readTail: (tail, onMessages) =>
        this.#engine.readLogs(id, { follow: false, tail, onMessages, tty, signal }),
    };
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
    if (hasCode(error, Code.ABORTED) && !this.#isRefusedForLong()) return false;
    this.#report(error instanceof CriError ? 'CannotRead' : 'CannotWrite', messageOf(error));
    return false;
  }

  /** Whether the container has not gone in a moment, as one that is being removed does. */
  #isRefusedForLong(): boolean {
    const nowMs = performance.now();
    this.#refusedSinceMs ??= nowMs;
    return nowMs - this.#refusedSinceMs > REMOVAL_MS;
  }

  #onReadable(): void {
    this.#refusedSinceMs = undefined;
    this.#solved('CannotRead');
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

/** Whether what can be read of the log of a container that has ended is all there will be. */
function hasSettled({ State: state, HostConfig: hostConfig }: ContainerInspect): boolean {
  return (
    hostConfig.LogConfig?.Type !== 'journald' || Date.now() - Date.parse(state.FinishedAt) > JOURNAL_DELAY_MS
  );
}

function nextPause(pauseMs: number, firstMs: number): number {
  return Math.min(LONGEST_RETRY_MS, Math.max(firstMs, pauseMs * 2));
}
