import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, basename, join } from 'node:path';
import { messageOf } from '../util/cri-error.js';
import { isMissing } from '../util/is-missing.js';
import type { Logger } from '../util/log.js';
import { dumpEnded, isDumping } from './dump-end.js';
import type { Freezer } from './dump-process.js';

/** A folder for what belongs to one checkpoint, for root alone. */
export interface WorkFolder {
  readonly path: string;
  /** Beside the place of the archive, or the folder, its name until it is whole. */
  readonly unfinished: string;
  /** Does nothing once it was left. */
  remove(): Promise<void>;
  /** For one that a container is still being written down to: resolves when that has ended and the folder is taken away. */
  leave(): Promise<void>;
}

/** A container that stands still while something is made. */
export interface Frozen {
  readonly containerId: string;
  readonly freezer: Pick<Freezer, 'file' | 'thaw'>;
}

/** What the next start has to do after a kill. */
interface Left {
  readonly unfinished: string;
  /** '' where none stands still, and where an older cridock has left it. */
  readonly containerId: string;
  readonly freezer: Frozen['freezer'] | null;
}

const NOTHING: Left = { unfinished: '', containerId: '', freezer: null };

const LEFT = 'left.json';

/** Makes such folders, and takes away what a kill has left of them. */
export class WorkFolders {
  readonly #dir: string;
  readonly #log: Logger;

  /** `dir` is an absolute path; it is made when it is needed. */
  constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
  }

  /** For an archive, or a folder, that will be at `target`. */
  async make(target?: string, frozen?: Frozen): Promise<WorkFolder> {
    const name = randomBytes(8).toString('hex');
    const path = join(this.#dir, name);
    const unfinished = target === undefined ? '' : join(dirname(target), `.${basename(target)}.${name}`);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await mkdir(path, { mode: 0o700 });
    const left: Left = { ...NOTHING, unfinished, ...frozen };
    await writeFile(join(path, LEFT), JSON.stringify(left), { mode: 0o600 });
    let isLeft = false;
    return {
      path,
      unfinished,
      remove: async () => {
        if (!isLeft) await this.#remove(path, left);
      },
      leave: async () => {
        isLeft = true;
        await this.#outlast(path);
      },
    };
  }

  /**
   * Removes what is there, before anything new is made. Failures are logged. What a container is still being written down to is
   * not waited for: `later` gets its folder, and what waits for its end and removes it then.
   */
  async sweep(
    later: (containerId: string, path: string, outlast: () => Promise<void>) => void,
  ): Promise<void> {
    let names: string[] = [];
    try {
      names = await readdir(this.#dir);
    } catch (error) {
      if (!isMissing(error))
        this.#log.warn('the folder of checkpoints cannot be read', { error: messageOf(error) });
    }
    for (const name of names) {
      const path = join(this.#dir, name);
      if (!(await isDumping(path))) await this.#takeAway(path);
      else {
        const { containerId } = await readLeft(join(path, LEFT)).catch(() => NOTHING);
        this.#log.info('a container is still being checkpointed since before the restart', {
          path,
          containerId,
        });
        later(containerId, path, () => this.#outlast(path));
      }
    }
  }

  async #outlast(path: string): Promise<void> {
    await dumpEnded(path);
    await this.#takeAway(path);
  }

  async #takeAway(path: string): Promise<void> {
    try {
      const left = await readLeft(join(path, LEFT));
      // The container was let go on, unless what does that was killed too.
      if (left.freezer)
        await writeFile(left.freezer.file, left.freezer.thaw, { flag: 'r+' }).catch(() => undefined);
      await this.#remove(path, left);
      this.#log.info('took away what was left of a checkpoint', { path });
    } catch (error) {
      this.#log.warn('what is left of a checkpoint stays', { path, error: messageOf(error) });
    }
  }

  async #remove(path: string, { unfinished }: Left): Promise<void> {
    if (unfinished !== '') await rm(unfinished, { recursive: true, force: true });
    await rm(path, { recursive: true, force: true });
  }
}

/** Nothing for a folder that was not made whole. */
async function readLeft(path: string): Promise<Left> {
  try {
    const left = JSON.parse(await readFile(path, 'utf8')) as Partial<Left>;
    return { ...NOTHING, ...left, unfinished: typeof left.unfinished === 'string' ? left.unfinished : '' };
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}
