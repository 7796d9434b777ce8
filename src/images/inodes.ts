import { join, posix } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { usesContainerdStore } from '../convert/engine-info.js';
import type { EngineInfo } from '../docker/types.js';
import { measureFolder } from '../node/layer-walk.js';
import { forEachLimited } from '../util/concurrency.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { KnownImages } from './known-images.js';

/** From this age on images are counted anew. */
const FRESH_MS = 60_000;
/** Who asks while there is no figure at all waits this long for one. */
const LONGEST_WAIT_MS = 1_000;
/** Rest after every few entries, so that counting takes little of a core. */
const REST_MS = 5;
const INSPECTS_AT_A_TIME = 8;
/** Where containerd keeps layers and what they were unpacked from, below its root. */
const CONTAINERD_FOLDERS = ['io.containerd.snapshotter.v1.overlayfs', 'io.containerd.content.v1.content'];

/**
 * Inodes that images take, which no Engine tells: the folders of their layers are counted off the request path. Layers of
 * graph drivers never change, so each is counted once. containerd's store is counted whole, with the layers of
 * containers, as containerd does for its own clients: its folders do not tell whose they are.
 */
export class ImageInodes {
  readonly #images: KnownImages;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  /** By folder of a graph driver's layer. */
  readonly #layers = new Map<string, number>();
  #total: number | undefined;
  #countedAtMs = -Infinity;
  #counting: Promise<void> | undefined;

  constructor(images: KnownImages, log: Logger) {
    this.#images = images;
    this.#log = log;
  }

  /** Images came or went: the next caller has them counted anew. */
  forget(): void {
    this.#countedAtMs = -Infinity;
  }

  /** The last figure; undefined while there is none, or where the layers cannot be seen. `root`: as `imageRoot`. */
  async used(info: EngineInfo, root: string): Promise<number | undefined> {
    if (performance.now() - this.#countedAtMs >= FRESH_MS) {
      this.#counting ??= this.#count(info, root).finally(() => (this.#counting = undefined));
    }
    if (this.#total === undefined) {
      const tooLong = delay(LONGEST_WAIT_MS, undefined, { signal: this.#stop.signal, ref: false });
      await Promise.race([this.#counting, tooLong]).catch(() => undefined);
    }
    return this.#total;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#counting;
  }

  /** Never throws. */
  async #count(info: EngineInfo, root: string): Promise<void> {
    this.#countedAtMs = performance.now();
    try {
      this.#total = usesContainerdStore(info)
        ? await this.#countFolders(CONTAINERD_FOLDERS.map((folder) => join(root, folder)))
        : await this.#countLayers();
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#log.debug('the inodes of images cannot be counted', { error: messageOf(error) });
    }
  }

  async #countLayers(): Promise<number | undefined> {
    const folders = await this.#layerFolders();
    for (const folder of this.#layers.keys()) if (!folders.has(folder)) this.#layers.delete(folder);
    let total = 0;
    for (const folder of folders) {
      const count = this.#layers.get(folder) ?? (await this.#countFolders([folder]));
      if (count === undefined) return undefined;
      this.#layers.set(folder, count);
      total += count;
    }
    return folders.size === 0 ? undefined : total;
  }

  /** The folders of all images' layers; none with graph drivers whose layers are no folders. */
  async #layerFolders(): Promise<Set<string>> {
    const folders = new Set<string>();
    await forEachLimited(await this.#images.listImages(), INSPECTS_AT_A_TIME, async ({ Id: id }) => {
      const inspect = await this.#images.byId(id); // undefined when it was removed meanwhile
      const { UpperDir: upper, LowerDir: lower = '' } = inspect?.GraphDriver?.Data ?? {};
      if (upper === undefined) return;
      // Each has its files in `diff`.
      for (const diff of [upper, ...lower.split(':').filter(Boolean)]) folders.add(posix.dirname(diff));
    });
    return folders;
  }

  /** Undefined when none of them is there. */
  async #countFolders(folders: readonly string[]): Promise<number | undefined> {
    const rest = () => delay(REST_MS, undefined, { signal: this.#stop.signal });
    let total: number | undefined;
    for (const folder of folders) {
      const size = await measureFolder(folder, rest);
      if (size !== undefined) total = (total ?? 0) + size.inodes;
    }
    return total;
  }
}
