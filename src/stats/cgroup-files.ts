import { readdirSync } from 'node:fs';
import { posix } from 'node:path';
import type { KernelFile, KernelFiles } from './kernel-file.js';

/** Files of one folder, each opened when it is first asked for and kept. */
export class CgroupFiles {
  readonly #folder: string | undefined;
  readonly #files: KernelFiles;
  readonly #open = new Map<string, KernelFile>();

  /** `folder` is undefined where the host has no such hierarchy: then there are no files. */
  constructor(folder: string | undefined, files: KernelFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** The text of a file of the folder, or undefined when there is none. */
  read(name: string): string | undefined {
    if (this.#folder === undefined) return undefined;
    let file = this.#open.get(name);
    if (file === undefined) {
      file = this.#files.file(posix.join(this.#folder, name));
      this.#open.set(name, file);
    }
    return file.read();
  }

  /** The number that a file holds, or undefined when there is none. */
  readNumber(name: string): number | undefined {
    const text = this.read(name);
    return text === undefined ? undefined : Number(text);
  }

  /** Names of the folder's files. */
  names(): string[] {
    if (this.#folder === undefined) return [];
    try {
      return readdirSync(this.#folder);
    } catch {
      return []; // the cgroup is gone
    }
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
  }
}
