import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { replaceFile, type Outlasts } from '../util/replace-file.js';
import { removeFile } from '../util/remove-file.js';

const ID = /^[0-9a-f]{64}$/;
const UNFINISHED_PREFIX = '.unfinished-';
const CORRUPT_PREFIX = '.corrupt-';

export interface JsonStoreOptions<T> {
  /** Absolute path of the folder, made by `prepare`. */
  dir: string;
  /** Reads a decoded file; throws when it is not what was written. */
  read: (value: unknown) => T;
  log: Logger;
  /** A power cut, unless the facts are on what runs. */
  outlasts?: Outlasts;
}

/**
 * Facts on containers that labels cannot hold, as labels never change: one small JSON file an id, all kept in memory.
 * Callers keep calls for one id apart. File errors are thrown as INTERNAL with the path.
 */
export class JsonStore<T> {
  readonly #options: JsonStoreOptions<T>;
  readonly #values = new Map<string, T>();
  readonly #removals = new Map<string, Promise<void>>();

  constructor(options: JsonStoreOptions<T>) {
    this.#options = options;
  }

  /** Makes the folder and reads what is there. Files that cannot be read are reported and set aside. */
  async prepare(): Promise<void> {
    const { dir } = this.#options;
    await reported('prepare', dir, async () => {
      await mkdir(dir, { recursive: true, mode: 0o755 });
      for (const name of await readdir(dir)) {
        if (name.startsWith(UNFINISHED_PREFIX)) await removeFile(join(dir, name));
        else if (ID.test(name)) await this.#load(name);
      }
    });
  }

  get(id: string): T | undefined {
    return this.#values.get(id);
  }

  ids(): string[] {
    return [...this.#values.keys()];
  }

  async set(id: string, value: T): Promise<void> {
    const path = this.#path(id);
    const { dir, outlasts } = this.#options;
    const unfinished = join(dir, UNFINISHED_PREFIX + id);
    await reported('write', path, () => replaceFile(path, unfinished, JSON.stringify(value), outlasts));
    this.#values.set(id, value);
  }

  /** Success when there is none. One that is being removed by another call is gone when this one is done, too. */
  async delete(id: string): Promise<void> {
    if (this.#values.delete(id)) {
      const path = this.#path(id);
      const removal = reported('remove', path, () => removeFile(path));
      this.#removals.set(id, removal);
      await removal.finally(() => this.#removals.delete(id));
    }
    await this.#removals.get(id);
  }

  async #load(id: string): Promise<void> {
    const { dir, log, read } = this.#options;
    const path = this.#path(id);
    try {
      this.#values.set(id, read(JSON.parse(await readFile(path, 'utf8'))));
    } catch (error) {
      const setAsideAs = join(dir, CORRUPT_PREFIX + id);
      log.error('corrupt file set aside', { path, setAsideAs, problem: messageOf(error) });
      await rename(path, setAsideAs);
    }
  }

  #path(id: string): string {
    if (!ID.test(id)) throw new CriError(Code.INTERNAL, `"${id}" is not an id`);
    return join(this.#options.dir, id);
  }
}

async function reported<R>(verb: string, path: string, action: () => Promise<R>): Promise<R> {
  try {
    return await action();
  } catch (error) {
    throw new CriError(Code.INTERNAL, `cannot ${verb} ${path}: ${messageOf(error)}`, { cause: error });
  }
}
