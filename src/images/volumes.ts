import { stat } from 'node:fs/promises';
import { IMAGE_VOLUMES, parseImageVolumes } from '../convert/container/image-volume-mounts.js';
import type { ContainerInspect } from '../docker/types.js';
import { ImageFolders } from './folders.js';
import { createOwn, listOwn, type OwnContainerParts } from './own-containers.js';
import type { ContainerRecord } from '../state/records.js';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import type { Mirror } from '../state/mirror.js';
import type { Logger } from '../util/log.js';
import { unlessGone } from '../util/cri-error.js';

/** The kubelet looks for this word in the error. */
export const IMAGE_VOLUME_FAILED = 'ImageVolumeMountFailed';

/** Of a container that keeps an image's layers on the node. */
const PURPOSE = 'image-volume';

/** Mounts are made and taken away one at a time. */
const ONE_LOCK = '';

/**
 * Images that are mounted on the node for containers, where the Engine cannot mount images itself (before API 1.48). A
 * container that is never started keeps an image's layers there, also when the image is removed, and tells where they
 * are. Only with the graph driver overlay2: others have no layers that can be mounted.
 */
export class ImageVolumes {
  readonly #parts: OwnContainerParts;
  readonly #folders: ImageFolders;
  readonly #lock = new KeyedMutex();
  /** How many containers that use an image are being made, by image id. */
  readonly #awaited = new Map<string, number>();

  /** `dir`: an absolute path that belongs to nobody else. */
  constructor(parts: OwnContainerParts, dir: string) {
    this.#parts = parts;
    this.#folders = new ImageFolders(dir);
  }

  /** The folder that shows the image's files once it is mounted. */
  folderOf(imageId: string): string {
    return this.#folders.pathOf(nameOf(imageId));
  }

  /**
   * Makes a container (`work`) with these images mounted. They stay so until `sweep` finds no container that uses them.
   * UNIMPLEMENTED where images cannot be mounted.
   */
  async mountedFor<T>(imageIds: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of imageIds) this.#awaited.set(id, (this.#awaited.get(id) ?? 0) + 1);
    try {
      for (const id of imageIds) await this.#lock.run(ONE_LOCK, () => this.#mount(id));
      return await work();
    } finally {
      for (const id of imageIds) {
        const others = (this.#awaited.get(id) ?? 1) - 1;
        if (others > 0) this.#awaited.set(id, others);
        else this.#awaited.delete(id);
      }
    }
  }

  /** Unmounts those that no container uses, and lets go of their layers. `usedIds` is asked for all images in use. */
  async sweep(usedIds: () => Promise<ReadonlySet<string>>): Promise<void> {
    await this.#lock.run(ONE_LOCK, async () => {
      const keepers = await listOwn(this.#parts, PURPOSE);
      const kept = new Map(keepers.map(({ imageId, id }) => [imageId, id]));
      const mounted = (await this.#folders.names()).map((name) => `sha256:${name}`);
      const awaited = new Set(this.#awaited.keys());
      const used = await usedIds();
      const failures: unknown[] = [];
      for (const imageId of new Set([...kept.keys(), ...mounted])) {
        // Also those of containers that began to be made since: they wait for the lock.
        if (used.has(imageId) || awaited.has(imageId)) continue;
        await this.#letGo(imageId, kept.get(imageId)).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    });
  }

  async #letGo(imageId: string, keeper: string | undefined): Promise<void> {
    await this.#folders.unmount(nameOf(imageId));
    if (keeper !== undefined) await unlessGone(this.#parts.engine.removeContainer(keeper));
  }

  async #mount(imageId: string): Promise<void> {
    const name = nameOf(imageId);
    if (await this.#folders.isMounted(name)) return;
    const keeper = await this.#keeper(imageId);
    const layers = layersOf(keeper);
    if (layers === undefined || !(await allThere(layers))) {
      await unlessGone(this.#parts.engine.removeContainer(keeper.Id));
      throw new CriError(
        Code.UNIMPLEMENTED,
        `${IMAGE_VOLUME_FAILED}: needs Docker Engine API 1.48, or the graph driver overlay2 on this node`,
      );
    }
    try {
      await this.#folders.mount(name, layers);
    } catch (error) {
      throw new CriError(Code.FAILED_PRECONDITION, `${IMAGE_VOLUME_FAILED}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** The container that keeps the image's layers, made where there is none. */
  async #keeper(imageId: string): Promise<ContainerInspect> {
    const name = `cridock-image-volume-${nameOf(imageId)}`;
    const { engine } = this.#parts;
    try {
      return await engine.inspectContainer(await createOwn(this.#parts, name, PURPOSE, imageId));
    } catch (error) {
      if (!hasCode(error, Code.ALREADY_EXISTS)) throw error;
      // Whoever made it: of the same image it keeps the same layers.
      const keeper = await engine.inspectContainer(name);
      if (keeper.Image !== imageId) throw error;
      return keeper;
    }
  }
}

/** Whether a container has images mounted. */
export function hasImageVolumes(container: ContainerRecord): boolean {
  return IMAGE_VOLUMES in container.labels.own;
}

/** What image volumes are swept with. */
export interface ImageVolumesDeps {
  readonly imageVolumes: ImageVolumes;
  readonly mirror: Mirror;
  readonly log: Logger;
}

/** Takes away what no container needs any more. Failures are logged and tried again next time. */
export async function sweepImageVolumes(deps: ImageVolumesDeps): Promise<void> {
  const usedIds = async (): Promise<ReadonlySet<string>> => {
    const { containers } = await deps.mirror.current();
    const labels = [...containers.values()].map(({ labels: { own } }) => own[IMAGE_VOLUMES]);
    const volumes = labels.flatMap((label) => Object.values(parseImageVolumes(label)));
    return new Set(volumes.map(({ image }) => image));
  };
  try {
    await deps.imageVolumes.sweep(usedIds);
  } catch (error) {
    deps.log.warn('image volumes that are not used any more stay mounted', { error: messageOf(error) });
  }
}

/** An image id is `sha256:` and hex digits. */
function nameOf(imageId: string): string {
  return imageId.replace(/^sha256:/, '');
}

/** The folders of the image's layers, the uppermost first: the container's own lie above them. */
function layersOf({ GraphDriver: driver }: ContainerInspect): string[] | undefined {
  const folders = driver?.Data?.['LowerDir']?.split(':');
  return folders?.filter((folder) => !folder.endsWith('-init/diff'));
}

async function allThere(folders: string[]): Promise<boolean> {
  const found = await Promise.allSettled(folders.map((folder) => stat(folder)));
  return found.every(({ status }) => status === 'fulfilled');
}
