import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { replaceFile } from '../util/replace-file.js';
import { isMissing } from '../util/is-missing.js';

const FILE = 'seal-key';
const KEY_BYTES = 32;

/**
 * The node's secret that seals are made with: random bytes in a file of root's alone, made once. Where a damaged one had to
 * be replaced, containers from before are taken for what Docker's record shows, as those of cri-dockerd are.
 */
export class SealKey {
  readonly #dir: string;
  readonly #log: Logger;
  #key: KeyObject | undefined;
  #isNew = false;

  /** `dir`: cridock's root directory. */
  constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
  }

  /** The key, as an object: of bytes Node would make one for each code, which takes three times as long as the code. `prepare` or `read` comes first. */
  get key(): KeyObject {
    if (this.#key === undefined) throw new CriError(Code.INTERNAL, 'the seal key was not read');
    return this.#key;
  }

  /** True when this process has made it: nothing on the node can be sealed with it yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Reads the key, or makes one. File errors are thrown as INTERNAL with the path. */
  async prepare(): Promise<void> {
    const path = join(this.#dir, FILE);
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o755 });
      const stored = await this.#stored(path);
      const bytes = stored ?? randomBytes(KEY_BYTES);
      if (stored === undefined) {
        await replaceFile(path, join(this.#dir, `.unfinished-${FILE}`), textOf(bytes));
        this.#isNew = true;
      }
      this.#key = createSecretKey(bytes);
    } catch (error) {
      throw new CriError(Code.INTERNAL, `cannot prepare ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Reads the key without making one: where there is none, no seal holds. Changes nothing. */
  async read(): Promise<void> {
    const text = await readFile(join(this.#dir, FILE), 'utf8').catch(() => '');
    this.#key = createSecretKey(keyIn(text) ?? randomBytes(KEY_BYTES));
  }

  async #stored(path: string): Promise<Buffer | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const bytes = keyIn(text);
    if (bytes !== undefined) return bytes;
    const setAsideAs = join(this.#dir, `.corrupt-${FILE}`);
    this.#log.error('corrupt file set aside', { path, setAsideAs, problem: 'it holds no key' });
    await rename(path, setAsideAs);
    return undefined;
  }
}

/** With a checksum: a key that a crash has filled with zeros would be anybody's. */
function textOf(bytes: Buffer): string {
  return `${bytes.toString('hex')} ${createHash('sha256').update(bytes).digest('hex')}\n`;
}

function keyIn(text: string): Buffer | undefined {
  const bytes = Buffer.from(text.split(' ')[0] ?? '', 'hex');
  return bytes.length === KEY_BYTES && textOf(bytes) === text ? bytes : undefined;
}
