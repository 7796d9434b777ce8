import { existsSync, watch, type FSWatcher } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogMessage, LogReadOptions } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import { parseJsonLogLine, timeOfJsonLogLine } from './json-log-line.js';

const CHUNK_BYTES = 64 * 1024;
/** Between something that happens and the reading of it. */
const GATHER_MS = 50;
const NEWLINE = 0x0a;

/** Where the Engine's driver `json-file` keeps a container's log. */
export interface JsonLogFiles {
  /** The file that is written now; those before it are `path.1`, `path.2` and so on. */
  readonly path: string;
  /** How many there are at most. */
  readonly count: number;
}

/** Those of this container; undefined where its log is not kept so, or the files cannot be seen from here. */
export function jsonLogFilesOf({
  LogPath: path,
  HostConfig: hostConfig,
}: ContainerInspect): JsonLogFiles | undefined {
  const { Type: driver, Config: options } = hostConfig.LogConfig ?? {};
  const isPlain = driver === 'json-file' && options?.['compress'] !== 'true';
  if (!isPlain || !path || !existsSync(path)) return undefined;
  // With a limit of one there still is an older one for a while.
  return { path, count: Math.max(2, Number(options?.['max-file'] ?? 1)) };
}

export interface JsonLogOptions extends Pick<LogReadOptions, 'follow' | 'since' | 'onOpen' | 'onMessages'> {
  /** Ends the reading with its reason. */
  readonly signal: AbortSignal;
  /** Aborts when the container has ended: who follows then reads what is there, and no more comes. */
  readonly ended: AbortSignal;
}

/**
 * Reads a container's log as `Engine.readLogs` does, but from the Engine's own files. For Engines before API 1.42: these send
 * the beginning of each new file twice to those who follow a log, and leave files out for those who are slow.
 * Says whether it was read after the container's end. Throws UNKNOWN when the files cannot be read, and the signal's reason.
 */
export async function readJsonLog(files: JsonLogFiles, options: JsonLogOptions): Promise<boolean> {
  const { follow, signal, ended, onOpen } = options;
  const lines = new JsonLines(options);
  let changes: FolderChanges | undefined;
  let file: FileHandle | undefined;
  try {
    if (follow) changes = new FolderChanges(dirname(files.path), [signal, ended]);
    file = await openOldest(files);
    onOpen?.();
    for (;;) {
      signal.throwIfAborted();
      changes?.forget();
      // Both are found out before the reading: then this file, or the log, holds all that it ever will.
      const isLast = ended.aborted;
      const next = await successorOf(file, files);
      try {
        await lines.readRest(file);
      } catch (error) {
        await next?.close();
        throw error;
      }
      if (next !== undefined) {
        await file.close();
        file = next;
      } else if (isLast || changes === undefined) {
        return isLast;
      } else {
        await changes.next();
      }
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isFileError(error) ? new CriError(Code.UNKNOWN, messageOf(error), { cause: error }) : error;
  } finally {
    changes?.close();
    await file?.close();
  }
}

/** The lines of the files, one after the other, made messages. */
class JsonLines {
  readonly #onMessages: JsonLogOptions['onMessages'];
  /** Messages from before it are left out; unix ms. */
  #sinceMs: number;
  /** The beginning of a line that is not complete. */
  #rest = Buffer.alloc(0);

  constructor({ since, onMessages }: JsonLogOptions) {
    this.#sinceMs = since === undefined ? -Infinity : Number(since) * 1000;
    this.#onMessages = onMessages;
  }

  /** Reads from where the last reading of this file ended. */
  async readRest(file: FileHandle): Promise<void> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      const messages = this.#split(chunk.subarray(0, bytesRead));
      if (messages.length > 0) await this.#onMessages(messages);
    }
  }

  #split(chunk: Buffer): LogMessage[] {
    const messages: LogMessage[] = [];
    const bytes = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, at)) {
      const line = bytes.subarray(at, end);
      at = end + 1;
      if (this.#sinceMs > -Infinity && timeOfJsonLogLine(line) < this.#sinceMs) continue;
      this.#sinceMs = -Infinity; // those after the first come all
      const message = parseJsonLogLine(line.toString());
      // What is none was cut by a crash of the Engine, which does not read it either.
      if (message !== undefined) messages.push(message);
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    return messages;
  }
}

/** Tells when something has happened in a folder, or one of the signals has aborted. */
class FolderChanges {
  readonly #watcher: FSWatcher;
  readonly #signals: readonly AbortSignal[];
  #happened = false;
  #wake: () => void = () => undefined;

  constructor(folder: string, signals: readonly AbortSignal[]) {
    this.#signals = signals;
    this.#watcher = watch(folder, { persistent: false }, this.#note);
    this.#watcher.on('error', this.#note); // the next look at the files tells
    for (const signal of signals) signal.addEventListener('abort', this.#note);
  }

  readonly #note = (): void => {
    this.#happened = true;
    this.#wake();
  };

  /** From now on only what comes counts. */
  forget(): void {
    this.#happened = false;
  }

  /** Resolves a moment after something has happened since `forget`, so that much is read at once. */
  async next(): Promise<void> {
    if (!this.#happened) await new Promise<void>((resolve) => (this.#wake = resolve));
    await delay(GATHER_MS);
  }

  close(): void {
    this.#watcher.close();
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#note);
  }
}

function nameOf({ path }: JsonLogFiles, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}

/** The files may be renamed, to one older each, while they are looked for. */
async function openOldest(files: JsonLogFiles): Promise<FileHandle> {
  for (;;) {
    let age = files.count - 1;
    let file: FileHandle | undefined;
    while (age > 0 && file === undefined) {
      file = await openIfThere(nameOf(files, age));
      if (file === undefined) age -= 1;
    }
    file ??= await openIfThere(files.path);
    const wasRenamed = age + 1 < files.count && existsSync(nameOf(files, age + 1));
    if (!wasRenamed) return file ?? open(files.path, 'r');
    await file?.close();
  }
}

/**
 * The file that the Engine went on in after this one; undefined while it writes to this one. When the Engine has removed this
 * one already, that is the oldest that it has.
 */
async function successorOf(file: FileHandle, files: JsonLogFiles): Promise<FileHandle | undefined> {
  const { ino } = await file.stat();
  for (;;) {
    const age = await ageOf(ino, files);
    if (age === 0) return undefined;
    const next = age === undefined ? await openOldest(files) : await openIfThere(nameOf(files, age - 1));
    // Unless they were renamed meanwhile.
    if ((await ageOf(ino, files)) === age) return next;
    await next?.close();
  }
}

/** Renamed files grow older: one that is there is not missed. */
async function ageOf(ino: number, files: JsonLogFiles): Promise<number | undefined> {
  for (let age = 0; age < files.count; age += 1) {
    try {
      if ((await stat(nameOf(files, age))).ino === ino) return age;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function isMissing(error: unknown): boolean {
  return isFileError(error) && error.code === 'ENOENT';
}
