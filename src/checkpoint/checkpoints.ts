import { lstat, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONFIG_DUMP, SPEC_DUMP, STATUS_DUMP } from '../convert/checkpoint/metadata.js';
import { POD_MANIFEST } from '../convert/checkpoint/pod-manifest.js';
import type { Engine } from '../docker/engine.js';
import type { EngineInfo } from '../docker/types.js';
import { containerCgroup } from '../limits/container-cgroup.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { abortableUntil } from '../util/abortable-until.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { within } from '../util/within.js';
import { findBundle, type Bundle } from './bundle.js';
import { LOG, writeContainerFiles, type Subject } from './container-files.js';
import { findCriu, type Criu } from './criu.js';
import { IMAGES, freezerOf, type DumpOrder } from './dump-process.js';
import { Dumps } from './dumps.js';
import type { FrozenContainers } from './frozen-containers.js';
import { DELETED_FILES, ROOTFS_DIFF } from './rootfs-diff.js';
import { WorkFolders, type WorkFolder } from './work-folders.js';
import { writeTar } from './write-tar.js';

/** What checkpoints are taken with. */
export interface CheckpointParts {
  readonly engine: Engine;
  readonly frozen: FrozenContainers;
  readonly rootDirectory: string;
  readonly log: Logger;
}

/** Of which an archive is to be made. */
export interface ArchiveSubject extends Subject {
  /** Where it will be. */
  readonly target: string;
}

/** Several containers of a pod, that are checkpointed as one. */
export interface PodSubject {
  readonly containers: readonly Subject[];
  /** The text of the pod's manifest. */
  readonly manifest: string;
  /** An empty folder; gets one entry, `POD_FOLDER`, when all is done. */
  readonly target: string;
}

/** What a pod's checkpoint is in: its manifest, and an archive for each container, named by its id. */
export const POD_FOLDER = 'checkpoint';
export const ARCHIVE_END = '.tar';

/** One that was prepared. */
interface Prepared extends ArchiveSubject {
  readonly order: DumpOrder;
  readonly folder: WorkFolder;
}

/** All that an archive may hold, in this order; `stats-dump` and `dump.log` are criu's. */
const ARCHIVED = [
  CONFIG_DUMP,
  SPEC_DUMP,
  STATUS_DUMP,
  IMAGES,
  ROOTFS_DIFF,
  DELETED_FILES,
  'stats-dump',
  'dump.log',
  LOG,
];
/** What a checkpoint under way gets when cridock is stopped; the container goes on in any case. */
const SETTLE_MS = 5_000;
/**
 * How long the containers of a pod stand still at most, unless the caller gives up before: one criu that hangs keeps all of them so, and
 * CRI's CheckpointPod has no timeout. Enough for some hundred GiB of memory.
 */
const POD_STILL_MS = 600_000;
/** CRI: CheckpointContainer's timeout of 0 is none. No other container stands still for this one. */
const CONTAINER_STILL_MS = Infinity;

/** Writes down the state of running containers. */
export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #folders: WorkFolders;
  readonly #dumps: Dumps;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
    this.#folders = new WorkFolders(join(parts.rootDirectory, 'checkpoint-work'), parts.log);
    this.#dumps = new Dumps(parts.frozen, parts.log);
  }

  /** Takes away what a kill has left. Containers that criu is still at get their turn when it is done. */
  async prepare(): Promise<void> {
    await this.#folders.sweep((containerId, path, outlast) => {
      void this.#whole(this.#dumps.outlast(containerId, path, outlast)).catch((error: unknown) => {
        this.#warnOfRest(path, error);
      });
    });
  }

  /**
   * Freezes a container, writes its processes and changed files into an archive, and lets it go on. The whole archive is there
   * afterwards, or none. When the signal aborts before it is whole the caller is told at once, and the container goes on as soon as
   * criu has let it go, which must not be ended. UNIMPLEMENTED where the node cannot.
   */
  async take(subject: ArchiveSubject, info: EngineInfo, signal: AbortSignal): Promise<void> {
    // Who was told that it took too long must not find an archive, and who finds one must not have been told so.
    const early = abortableUntil(signal);
    const work = this.#take([subject], CONTAINER_STILL_MS, info, early.signal, early.close);
    await unlessAborted(this.#whole(work), early.signal);
  }

  /**
   * As `take`, for several at once: each is frozen before any is written down, and goes on when all are. The caller is told when
   * they go on, also after an abort; all is there then, or nothing.
   */
  async takePod(pod: PodSubject, info: EngineInfo, signal: AbortSignal): Promise<void> {
    await this.#whole(this.#takePod(pod, info, signal));
  }

  /** To its end, whoever waits for it. */
  async #whole(work: Promise<void>): Promise<void> {
    const settled = work.catch(() => undefined);
    this.#underWay.add(settled);
    void settled.then(() => this.#underWay.delete(settled));
    await work;
  }

  async #takePod(
    { containers, manifest, target }: PodSubject,
    info: EngineInfo,
    signal: AbortSignal,
  ): Promise<void> {
    const place = join(target, POD_FOLDER);
    const folder = await this.#folders.make(place);
    try {
      await mkdir(folder.unfinished, { mode: 0o700 });
      const inside = (name: string): string => join(folder.unfinished, name);
      const subjects = containers.map((one) => ({ ...one, target: inside(one.container.id + ARCHIVE_END) }));
      await this.#take(subjects, POD_STILL_MS, info, signal, () => signal.throwIfAborted());
      await writeFile(inside(POD_MANIFEST), manifest, { mode: 0o600, flush: true });
      signal.throwIfAborted();
      await rename(folder.unfinished, place);
    } finally {
      await this.#clean(folder);
    }
  }

  async stop(): Promise<void> {
    await within(SETTLE_MS, Promise.all(this.#underWay));
  }

  async #take(
    subjects: readonly ArchiveSubject[],
    stillMs: number,
    info: EngineInfo,
    signal: AbortSignal,
    beforeNaming: () => void,
  ): Promise<void> {
    const criu = await findCriu();
    if (typeof criu === 'string') {
      throw new CriError(Code.UNIMPLEMENTED, `checkpoints cannot be taken on this node: ${criu}`);
    }
    const prepared: Prepared[] = [];
    try {
      for (const subject of subjects) prepared.push(await this.#prepare(subject, criu, info));
      await this.#dumps.take(prepared, stillMs, signal, ({ order: { bundle, work }, ...subject }, limited) =>
        writeContainerFiles(this.#parts, { ...subject, bundle, work }, info, limited),
      );
      for (const one of prepared) await this.#archive(one, signal);
      beforeNaming();
      for (const { folder, target } of prepared) await rename(folder.unfinished, target);
    } finally {
      for (const { folder } of prepared) await this.#clean(folder);
    }
  }

  async #prepare(subject: ArchiveSubject, criu: Criu, info: EngineInfo): Promise<Prepared> {
    const { id, pid } = subject.container;
    let bundle: Bundle;
    try {
      bundle = await findBundle(id, pid);
    } catch (error) {
      const message = `container_id: container ${id} cannot be checkpointed: ${messageOf(error)}`;
      throw new CriError(Code.UNIMPLEMENTED, message, { cause: error });
    }
    const freezer = freezerOf(await containerCgroup(id, pid), info.CgroupVersion === '2' ? 2 : 1);
    const frozen = { containerId: id, freezer: { file: freezer.file, thaw: freezer.thaw } };
    const folder = await this.#folders.make(subject.target, frozen);
    const order = { containerId: id, bundle, freezer, criu: criu.folder, work: folder.path };
    return { ...subject, order, folder };
  }

  async #archive({ folder }: Prepared, signal: AbortSignal): Promise<void> {
    const names: string[] = [];
    for (const name of ARCHIVED) if (await isThere(join(folder.path, name))) names.push(name);
    const words = ['--owner=0', '--group=0', ...names];
    await writeTar(folder.unfinished, folder.path, words, signal);
    signal.throwIfAborted();
  }

  async #clean(folder: WorkFolder): Promise<void> {
    try {
      await folder.remove();
    } catch (error) {
      this.#warnOfRest(folder.path, error);
    }
  }

  #warnOfRest(path: string, error: unknown): void {
    this.#parts.log.warn('what is left of a checkpoint stays', { path, error: messageOf(error) });
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
