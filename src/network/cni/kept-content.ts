import { statSync } from 'node:fs';
import type { FolderContent } from './config-folder.js';

/**
 * File systems keep times in steps of up to two seconds (FAT): a second change within a step leaves no trace. What has
 * changed this little before a reading is read again the next time.
 */
const RACY_MS = 3_000;
/** Of more files than this nothing is kept: looking at them all would hold the process up. */
const MOST_FILES = 64;

interface Reading {
  readonly content: FolderContent;
  /** What it was made of: all that has to stay as it is for the content to be the same. */
  readonly paths: readonly string[];
  readonly fingerprint: string | undefined;
  /** False when the content may be older than the fingerprint. */
  readonly isSettled: boolean;
}

/**
 * Saves the reading of a configuration folder anew while nothing of it has changed: the folder itself (its times change with
 * each name in it that is added, removed or replaced), the file that the network comes from, and the programs of its plugins.
 * Only a network without problems is kept: what could not be read may be readable at the next try, with no trace of why.
 */
export class KeptContent {
  readonly #confDir: string;
  readonly #nowMs: () => number;
  #last: Reading | undefined;

  /** @param nowMs the time that is held against those of files, in Unix ms */
  constructor(confDir: string, nowMs: () => number = Date.now) {
    this.#confDir = confDir;
    this.#nowMs = nowMs;
  }

  /** What was read last, if that still holds, or else what `read` resolves to. */
  async get(read: () => Promise<FolderContent>): Promise<FolderContent> {
    const beganMs = this.#nowMs();
    const last = this.#last;
    const before = look(last?.paths ?? []);
    if (last?.isSettled === true && before?.fingerprint === last.fingerprint) return last.content;
    const content = await read();
    const paths = this.#madeOf(content);
    const after = look(paths);
    // A file, or a link on the way to it, may have been replaced during the reading: the content is that of a fingerprint
    // only if it was read between two that are the same.
    const isSettled =
      before !== undefined &&
      before.fingerprint === after?.fingerprint &&
      before.newestMs < beganMs - RACY_MS;
    this.#last = { content, paths, fingerprint: after?.fingerprint, isSettled };
    return content;
  }

  /** Nothing for what is not to be kept. */
  #madeOf({ network, problems }: FolderContent): readonly string[] {
    if (network === undefined || problems.length > 0) return [];
    const paths = new Set([this.#confDir, network.path, ...network.programs]);
    return paths.size > MOST_FILES ? [] : [...paths];
  }
}

/**
 * Tells these files apart from what else has been, or will be, at the same paths; undefined when one of them is not there.
 * The calls are synchronous: it is a few of root's own files on the node, which the kernel knows by heart, and a turn of the
 * thread pool takes a hundred times as long.
 */
function look(paths: readonly string[]): { fingerprint: string; newestMs: number } | undefined {
  if (paths.length === 0) return undefined;
  let fingerprint = '';
  let newestNs = 0n;
  try {
    for (const path of paths) {
      const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) return undefined;
      const { dev, ino, mode, size, mtimeNs, ctimeNs } = stats;
      fingerprint += `${path}\0${dev} ${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}\0`;
      if (mtimeNs > newestNs) newestNs = mtimeNs;
      if (ctimeNs > newestNs) newestNs = ctimeNs;
    }
  } catch {
    return undefined; // whoever reads it learns why
  }
  return { fingerprint, newestMs: Number(newestNs / 1_000_000n) };
}
