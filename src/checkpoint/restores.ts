import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { readDeletedFiles, readOrigin, type CheckpointOrigin } from '../convert/checkpoint/read-metadata.js';
import { CONFIG_DUMP, SPEC_DUMP } from '../convert/checkpoint/metadata.js';
import type { Engine } from '../docker/engine.js';
import type { OwnContainerParts } from '../images/own-containers.js';
import { withScratchContainer } from '../images/scratch-container.js';
import { Code, CriError, invalidArgument, messageOf } from '../util/cri-error.js';
import { isMissing } from '../util/is-missing.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import type { Logger } from '../util/log.js';
import { IMAGES } from './dump-process.js';
import { findCriu } from './criu.js';
import { removeBelow } from './remove-below.js';
import { DELETED_FILES, ROOTFS_DIFF } from './rootfs-diff.js';
import { unpackCheckpoint } from './unpack.js';

/** What a container is to be restored from: an archive on the node, or an image that holds what an archive does. */
export type RestoreSource =
  { readonly kind: 'archive'; readonly path: string } | { readonly kind: 'image'; readonly id: string };

/** A checkpoint that is ready to be restored. */
export interface Restore {
  /** By which it is found again. */
  readonly name: string;
  readonly origin: CheckpointOrigin;
}

/** What the OCI runtime restores from. */
export interface RestorePlace {
  readonly images: string;
  /** For its log. */
  readonly work: string;
  /** Folder of criu. */
  readonly criu: string;
  /** Removes what the checkpoint's container had deleted from a root file system. */
  readonly prepareRoot: (root: string) => Promise<void>;
}

/** The field that names what is restored. */
export const RESTORE_FIELD = 'config.image.image';
const NAME = /^[0-9a-f]{32}$/;
const UNFINISHED = '.unfinished-';
const MAX_ERRORS = 2;

/** Keeps what checkpoints hold from the creation of a container to its start. */
export class Restores {
  readonly #dir: string;
  readonly #parts: OwnContainerParts;
  readonly #log: Logger;
  /** Being unpacked, or on their way into a container. */
  readonly #inHand = new Map<string, number>();
  readonly #turns = new KeyedMutex();

  constructor(rootDirectory: string, parts: OwnContainerParts, log: Logger) {
    this.#dir = join(rootDirectory, 'restore');
    this.#parts = parts;
    this.#log = log;
  }

  /**
   * Unpacks a checkpoint for the container of this name; the same again finds it there. It stays while `work` goes on, and then
   * as long as a container is to be restored from it. UNIMPLEMENTED without criu, INVALID_ARGUMENT for what is no checkpoint.
   */
  async prepared<T>(
    source: RestoreSource,
    containerName: string,
    signal: AbortSignal,
    work: (restore: Restore) => Promise<T>,
  ): Promise<T> {
    await this.#criu();
    const name = await this.#nameOf(source, containerName);
    const folder = join(this.#dir, name);
    this.#inHand.set(name, (this.#inHand.get(name) ?? 0) + 1);
    const made = { isNew: false };
    try {
      if (!(await isFolder(folder))) {
        const unpack = async (): Promise<void> => {
          made.isNew = !(await isFolder(folder));
          if (made.isNew) await this.#unpack(source, name, signal);
        };
        await this.#turns.run(name, unpack, signal);
      }
      const result = await work({ name, origin: await readOriginIn(folder) });
      made.isNew = false;
      return result;
    } finally {
      const users = (this.#inHand.get(name) ?? 1) - 1;
      if (users > 0) this.#inHand.set(name, users);
      else this.#inHand.delete(name);
      // No container came of it.
      if (made.isNew && users === 0) await rm(folder, { recursive: true, force: true });
    }
  }

  /**
   * Writes the changed files into a container that was created, and answers what its runtime restores it from. Where the signal
   * aborts some of them may be there: the next call writes all of them again.
   */
  async place(
    name: string,
    containerId: string,
    isReadOnly: boolean,
    signal: AbortSignal,
  ): Promise<RestorePlace> {
    const criu = await this.#criu();
    const folder = join(this.#dir, name);
    if (!NAME.test(name) || !(await isFolder(folder))) {
      const message = `container_id: the checkpoint that container ${containerId} is restored from is gone`;
      throw new CriError(Code.FAILED_PRECONDITION, message);
    }
    const diff = join(folder, ROOTFS_DIFF);
    if (!isReadOnly && (await isThere(diff))) {
      const archive = createReadStream(diff);
      try {
        await this.#parts.engine.writeArchive(containerId, archive, { signal });
      } finally {
        archive.destroy(); // it may never have been sent
      }
    }
    const deleted = await readDeletedIn(folder);
    return {
      images: join(folder, IMAGES),
      work: folder,
      criu,
      prepareRoot: async (root) => {
        for (const parts of deleted) await removeBelow(root, parts);
      },
    };
  }

  /** What criu tells of a restore that has failed; '' for nothing. */
  async reason(name: string): Promise<string> {
    const text = await readFile(join(this.#dir, name, 'restore.log'), 'utf8').catch(() => '');
    const errors = text.split('\n').filter((line) => /\bError \(/.test(line) && !/rlimit:/.test(line));
    return errors.slice(0, MAX_ERRORS).join('; ').slice(0, 500);
  }

  /** For a container that was restored. */
  async remove(name: string): Promise<void> {
    if (!NAME.test(name)) return;
    await rm(join(this.#dir, name), { recursive: true, force: true });
  }

  /** Removes what no container is to be restored from any more. Failures are logged. */
  async sweep(isInUse: (name: string) => boolean): Promise<void> {
    try {
      for (const entry of await readdir(this.#dir)) {
        const name = entry.replace(UNFINISHED, '');
        if (this.#inHand.has(name) || (name === entry && isInUse(name))) continue;
        await rm(join(this.#dir, entry), { recursive: true, force: true });
      }
    } catch (error) {
      if (!isMissing(error)) this.#log.warn('what is left of restores stays', { error: messageOf(error) });
    }
  }

  async #unpack(source: RestoreSource, name: string, signal: AbortSignal): Promise<void> {
    const unfinished = join(this.#dir, UNFINISHED + name);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { mode: 0o700 });
    try {
      if (source.kind === 'archive') {
        const archive = createReadStream(source.path);
        await unpackCheckpoint(archive, unfinished, 'archive', RESTORE_FIELD, signal);
      } else {
        await withScratchContainer(this.#parts, source.id, async (id) => {
          const { engine } = this.#parts;
          const taking = streamOf(engine, id, signal);
          await unpackCheckpoint(taking, unfinished, 'image', RESTORE_FIELD, signal);
        });
      }
      await readOriginIn(unfinished);
      await readDeletedIn(unfinished);
      await rename(unfinished, join(this.#dir, name));
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      throw error;
    }
  }

  async #nameOf(source: RestoreSource, containerName: string): Promise<string> {
    const hash = createHash('sha256').update(`${containerName}\0${source.kind}\0`);
    if (source.kind === 'image') hash.update(source.id);
    else hash.update(`${source.path}\0${await identityOf(source.path)}`);
    return hash.digest('hex').slice(0, 32);
  }

  async #criu(): Promise<string> {
    const criu = await findCriu();
    if (typeof criu !== 'string') return criu.folder;
    throw new CriError(Code.UNIMPLEMENTED, `${RESTORE_FIELD}: nothing can be restored on this node: ${criu}`);
  }
}

function streamOf(engine: Engine, id: string, signal: AbortSignal): Readable {
  const stream = new PassThrough();
  const push = async (chunk: Buffer): Promise<void> => {
    if (!stream.write(chunk))
      await new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
  };
  engine.readArchive(id, '/', push, { signal }).then(
    () => stream.end(),
    (error: unknown) => stream.destroy(error as Error),
  );
  return stream;
}

/** Which file it is, for one that is a plain file. */
async function identityOf(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw invalidArgument(RESTORE_FIELD, `${path} is no file`);
    return [found.dev, found.ino, found.size, found.mtimeMs].join(' ');
  } catch (error) {
    if (error instanceof CriError) throw error;
    if (isMissing(error))
      throw new CriError(Code.NOT_FOUND, `${RESTORE_FIELD}: there is no archive at ${path}`);
    throw invalidArgument(RESTORE_FIELD, messageOf(error), { cause: error });
  }
}

async function readOriginIn(folder: string): Promise<CheckpointOrigin> {
  const [config = '', spec = ''] = await Promise.all(
    [CONFIG_DUMP, SPEC_DUMP].map((name) => readFile(join(folder, name), 'utf8')),
  );
  return read(() => readOrigin(config, spec));
}

async function readDeletedIn(folder: string): Promise<string[][]> {
  const path = join(folder, DELETED_FILES);
  if (!(await isThere(path))) return [];
  const text = await readFile(path, 'utf8');
  return read(() => readDeletedFiles(text));
}

function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw invalidArgument(RESTORE_FIELD, `is no checkpoint: ${messageOf(error)}`, { cause: error });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
