import { lstat, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CONFIG_DUMP,
  SPEC_DUMP,
  STATUS_DUMP,
  configDump,
  specDump,
  type CheckpointFacts,
} from '../convert/checkpoint/metadata.js';
import { usesContainerdStore } from '../convert/engine-info.js';
import type { Engine } from '../docker/engine.js';
import type { EngineInfo } from '../docker/types.js';
import { containerCgroup } from '../limits/container-cgroup.js';
import type { ContainerRecord } from '../state/records.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { within } from '../util/within.js';
import { findBundle, type Bundle } from './bundle.js';
import { copyLog } from './copy-log.js';
import { findCriu, type Criu } from './criu.js';
import { DumpProcess, IMAGES, freezerOf, type Freezer } from './dump-process.js';
import type { FrozenContainers } from './frozen-containers.js';
import { DELETED_FILES, ROOTFS_DIFF, keptChanges, writeRootfsDiff } from './rootfs-diff.js';
import { WorkFolders, type WorkFolder } from './work-folders.js';
import { writeTar } from './write-tar.js';

/** What checkpoints are taken with. */
export interface CheckpointParts {
  readonly engine: Engine;
  readonly frozen: FrozenContainers;
  readonly rootDirectory: string;
  readonly log: Logger;
}

/** A container, and what its archive tells of it. */
export interface Subject {
  readonly container: ContainerRecord;
  readonly facts: CheckpointFacts;
  /** The text of status.dump. */
  readonly status: string;
  /** Of the log that cridock writes; '' for none. */
  readonly logPath: string;
  /** Where its archive will be. */
  readonly target: string;
}

/** One that was prepared. */
interface Prepared extends Subject {
  readonly bundle: Bundle;
  readonly freezer: Freezer;
  readonly folder: WorkFolder;
}

const LOG = 'container.log';
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
/** Root file systems that the companion shows: only containers see them. */
const COMPANION_ROOTS = '/run/cridock/';
/** What a checkpoint under way gets when cridock is stopped; the container goes on in any case. */
const SETTLE_MS = 5_000;

/** Writes down the state of running containers. */
export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #folders: WorkFolders;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
    this.#folders = new WorkFolders(join(parts.rootDirectory, 'checkpoint-work'), parts.log);
  }

  /** Takes away what a kill has left. */
  async prepare(): Promise<void> {
    await this.#folders.sweep();
  }

  /**
   * Freezes containers, writes each with its processes and changed files into an archive, and lets them go on. All or none of the
   * archives are there afterwards. When the signal aborts the caller is told at once, and the containers go on as soon as criu
   * has let them go, which must not be ended. UNIMPLEMENTED where the node cannot.
   */
  async take(subjects: readonly Subject[], info: EngineInfo, signal: AbortSignal): Promise<void> {
    const work = this.#take(subjects, info, signal);
    const settled = work.catch(() => undefined);
    this.#underWay.add(settled);
    void settled.then(() => this.#underWay.delete(settled));
    await unlessAborted(work, signal);
  }

  async stop(): Promise<void> {
    await within(SETTLE_MS, Promise.all(this.#underWay));
  }

  async #take(subjects: readonly Subject[], info: EngineInfo, signal: AbortSignal): Promise<void> {
    const criu = await findCriu();
    if (typeof criu === 'string') {
      throw new CriError(Code.UNIMPLEMENTED, `checkpoints cannot be taken on this node: ${criu}`);
    }
    const prepared: Prepared[] = [];
    try {
      for (const subject of subjects) prepared.push(await this.#prepare(subject, info));
      await this.#allFrozen(prepared, signal, () => this.#dump(prepared, criu, info, signal));
      for (const one of prepared) await this.#archive(one, signal);
      for (const { folder, target } of prepared) await rename(folder.unfinished, target);
    } finally {
      for (const { folder } of prepared) await this.#clean(folder);
    }
  }

  async #prepare(subject: Subject, info: EngineInfo): Promise<Prepared> {
    const { id, pid } = subject.container;
    let bundle: Bundle;
    try {
      bundle = await findBundle(id, pid);
    } catch (error) {
      const message = `container_id: container ${id} cannot be checkpointed: ${messageOf(error)}`;
      throw new CriError(Code.UNIMPLEMENTED, message, { cause: error });
    }
    const freezer = freezerOf(await containerCgroup(id, pid), info.CgroupVersion === '2' ? 2 : 1);
    return { ...subject, bundle, freezer, folder: await this.#folders.make(subject.target, freezer) };
  }

  /** With all of them kept from getting new commands, in the order of their ids, so that two callers do not wait for each other. */
  async #allFrozen(
    prepared: readonly Prepared[],
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    const ids = prepared.map(({ container }) => container.id).sort();
    const [first, ...others] = ids;
    const inOrder = (id: string | undefined, rest: string[]): Promise<void> =>
      id === undefined
        ? work()
        : this.#parts.frozen.during(id, () => inOrder(rest[0], rest.slice(1)), signal);
    await inOrder(first, others);
  }

  async #dump(
    prepared: readonly Prepared[],
    criu: Criu,
    info: EngineInfo,
    signal: AbortSignal,
  ): Promise<void> {
    const processes: { process: DumpProcess; one: Prepared }[] = [];
    try {
      for (const one of prepared) {
        signal.throwIfAborted();
        const work = one.folder.path;
        await mkdir(join(work, IMAGES), { mode: 0o700 });
        const order = {
          containerId: one.container.id,
          bundle: one.bundle,
          freezer: one.freezer,
          criu: criu.folder,
          work,
        };
        processes.push({ process: await DumpProcess.start(order), one });
      }
      // Each of them is over before any goes on: none freezes its container again.
      const outcomes = await Promise.allSettled(processes.map(({ process }) => process.frozen(signal)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      for (const { process, one } of processes) {
        signal.throwIfAborted();
        await process.dump();
        await process.stillFrozen(signal);
        await this.#writeFiles(one, info, signal);
      }
    } finally {
      await Promise.all(processes.map(({ process }) => process.end()));
    }
  }

  async #writeFiles(one: Prepared, info: EngineInfo, signal: AbortSignal): Promise<void> {
    const { container, bundle, facts, status, folder } = one;
    const { root, mounts } = readSpec(bundle.config);
    const changes = await this.#parts.engine.containerChanges(container.id, { signal });
    const kept = keptChanges(changes, mounts);
    const leftOut = await writeRootfsDiff(await rootOf(container, root, info), kept, folder.path, signal);
    if (leftOut > 0) {
      const { id: containerId } = container;
      this.#parts.log.warn('files whose names are no UTF-8 are not in the checkpoint', {
        containerId,
        leftOut,
      });
    }
    const options = { mode: 0o600 };
    await writeFile(join(folder.path, CONFIG_DUMP), configDump(facts), options);
    await writeFile(join(folder.path, SPEC_DUMP), specDump(bundle.config, facts), options);
    await writeFile(join(folder.path, STATUS_DUMP), status, options);
    if (one.logPath !== '') await copyLog(one.logPath, join(folder.path, LOG));
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
      this.#parts.log.warn('what is left of a checkpoint stays', {
        path: folder.path,
        error: messageOf(error),
      });
    }
  }
}

/** The text is containerd's. */
function readSpec(config: string): { root: string; mounts: string[] } {
  const { root, mounts } = JSON.parse(config) as {
    root?: { path?: string };
    mounts?: { destination: string }[];
  };
  return { root: root?.path ?? '', mounts: (mounts ?? []).map(({ destination }) => destination) };
}

/** The folder where the Engine has mounted the container's file system. Throws where it is not to be seen from here. */
async function rootOf(container: ContainerRecord, root: string, info: EngineInfo): Promise<string> {
  const { id, pid, inspect } = container;
  if (root.startsWith(COMPANION_ROOTS)) {
    if (usesContainerdStore(info)) return join(info.DockerRootDir, 'rootfs', info.Driver, id);
    const merged = inspect.GraphDriver?.Data?.['MergedDir'];
    if (merged !== undefined) return merged;
  } else {
    const [seen, own] = await Promise.all([stat(root), stat(`/proc/${pid}/root`)]);
    if (seen.dev === own.dev && seen.ino === own.ino) return root;
  }
  throw new CriError(Code.UNIMPLEMENTED, `the file system of container ${id} is not to be seen at ${root}`);
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
