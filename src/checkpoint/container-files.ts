import { stat, writeFile } from 'node:fs/promises';
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
import type { ContainerChange, EngineInfo } from '../docker/types.js';
import type { ContainerRecord } from '../state/records.js';
import { Code, CriError, hasCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { Bundle } from './bundle.js';
import { copyLog } from './copy-log.js';
import { keptChanges, writeRootfsDiff } from './rootfs-diff.js';

/** A container, and what its archive tells of it. */
export interface Subject {
  readonly container: ContainerRecord;
  readonly facts: CheckpointFacts;
  /** The text of status.dump. */
  readonly status: string;
  /** Of the log that cridock writes; '' for none. */
  readonly logPath: string;
}

/** One that stands still. */
interface Still extends Subject {
  readonly bundle: Bundle;
  /** The folder that gets what is written. */
  readonly work: string;
}

/** Name in the archive. */
export const LOG = 'container.log';
/** Root file systems that the companion shows: only containers see them. */
const COMPANION_ROOTS = '/run/cridock/';

/**
 * Writes a container's changed files, its log and what it was made of. UNIMPLEMENTED where its file system is not to be seen,
 * RESOURCE_EXHAUSTED where it has changed too many files.
 */
export async function writeContainerFiles(
  { engine, log }: { readonly engine: Engine; readonly log: Logger },
  { container, bundle, facts, status, logPath, work }: Still,
  info: EngineInfo,
  signal: AbortSignal,
): Promise<void> {
  const { root, mounts } = readSpec(bundle.config);
  const kept = await keptChanges(await changesOf(engine, container.id, signal), mounts, signal);
  const leftOut = await writeRootfsDiff(await rootOf(container, root, info), kept, work, signal);
  if (leftOut > 0) {
    const { id: containerId } = container;
    log.warn('files whose names are no UTF-8 are not in the checkpoint', { containerId, leftOut });
  }
  const options = { mode: 0o600 };
  await writeFile(join(work, CONFIG_DUMP), configDump(facts), options);
  await writeFile(join(work, SPEC_DUMP), specDump(bundle.config, facts), options);
  await writeFile(join(work, STATUS_DUMP), status, options);
  if (logPath !== '') await copyLog(logPath, join(work, LOG));
}

async function changesOf(engine: Engine, id: string, signal: AbortSignal): Promise<ContainerChange[]> {
  try {
    return await engine.containerChanges(id, { signal });
  } catch (error) {
    if (!hasCode(error, Code.RESOURCE_EXHAUSTED)) throw error;
    const message = `container ${id} has changed too many files for a checkpoint: ${error.message}`;
    throw new CriError(Code.RESOURCE_EXHAUSTED, message, { cause: error });
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
