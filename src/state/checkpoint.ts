import { mkdir, readFile, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, CriError, invalidArgument, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { replaceFile } from '../util/replace-file.js';
import { formatCheckpoint, parseCheckpoint, type SandboxCheckpoint } from './checkpoint-format.js';
import { isMissing } from '../util/is-missing.js';
import { removeFile } from '../util/remove-file.js';

const ID_PATTERN = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const MAX_ID_LENGTH = 250;
// Both begin with a dot, so neither can be the name of a checkpoint.
const UNFINISHED_PREFIX = '.unfinished-';
const CORRUPT_PREFIX = '.corrupt-';

/**
 * The sandbox checkpoints in `dir`, one file per sandbox id, in cri-dockerd's format: either program can go on with
 * the files of the other. Callers keep calls for one id apart. File errors are thrown as INTERNAL with the path.
 */
export class CheckpointStore {
  readonly #dir: string;
  readonly #log: Logger;

  constructor({ dir, log }: { dir: string; log: Logger }) {
    this.#dir = dir;
    this.#log = log;
  }

  /** Makes the folder, and clears what a crash left unfinished in it. */
  async prepare(): Promise<void> {
    await this.#reported('prepare', this.#dir, async () => {
      await mkdir(this.#dir, { recursive: true, mode: 0o755 });
      const unfinished = (await readdir(this.#dir)).filter((name) => name.startsWith(UNFINISHED_PREFIX));
      await Promise.all(unfinished.map((name) => removeFile(join(this.#dir, name))));
    });
  }

  /**
   * Writes the checkpoint so that a crash leaves the old one or the new one, and nothing else under its name. A power cut takes
   * the pod's network with it, which is all that checkpoints tell of.
   */
  async write(id: string, checkpoint: SandboxCheckpoint): Promise<void> {
    const path = this.#path(id);
    const unfinished = join(this.#dir, UNFINISHED_PREFIX + id);
    await this.#reported('write', path, () =>
      replaceFile(path, unfinished, formatCheckpoint(checkpoint), 'a crash'),
    );
  }

  /**
   * The checkpoint, or undefined when there is none. A file that is not a checkpoint, or has a wrong checksum, is
   * reported, set aside under another name, and counts as none.
   */
  async read(id: string): Promise<SandboxCheckpoint | undefined> {
    const path = this.#path(id);
    const text = await this.#reported('read', path, () => readIfPresent(path));
    if (text === undefined) return undefined;
    try {
      return parseCheckpoint(text);
    } catch (error) {
      await this.#setAside(id, path, messageOf(error));
      return undefined;
    }
  }

  /** Removes the checkpoint; success when there is none. */
  async remove(id: string): Promise<void> {
    const path = this.#path(id);
    await this.#reported('remove', path, () => removeFile(path));
  }

  /** The ids of all checkpoints, unread. */
  async list(): Promise<string[]> {
    const entries = await this.#reported('list', this.#dir, () =>
      readdir(this.#dir, { withFileTypes: true }),
    );
    return entries.filter((entry) => entry.isFile() && isCheckpointId(entry.name)).map((entry) => entry.name);
  }

  #path(id: string): string {
    if (!isCheckpointId(id)) throw invalidArgument('pod_sandbox_id', 'is not an id');
    return join(this.#dir, id);
  }

  async #setAside(id: string, path: string, problem: string): Promise<void> {
    const setAsideAs = join(this.#dir, `${CORRUPT_PREFIX}${id}-${Date.now()}`);
    this.#log.error('corrupt checkpoint set aside', { path, setAsideAs, problem });
    await this.#reported('set aside', path, () => rename(path, setAsideAs));
  }

  async #reported<T>(verb: string, path: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw new CriError(Code.INTERNAL, `cannot ${verb} checkpoint ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

function isCheckpointId(name: string): boolean {
  return name.length <= MAX_ID_LENGTH && ID_PATTERN.test(name);
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
