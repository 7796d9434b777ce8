import { posix } from 'node:path';
import { checkSubPath, IMAGE_MOUNT_API_VERSION, type ImageFiles } from '../../convert/container/mounts.js';
import type { Engine } from '../../docker/engine.js';
import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';
import type { ImageSpec__Output } from '../../gen/runtime/v1/ImageSpec.js';
import { Code, CriError } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';
import { findImage } from '../../images/lookup.js';
import { IMAGE_VOLUME_FAILED } from '../../images/volumes.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import { withScratchContainer } from '../../images/scratch-container.js';

/** What it takes to look up images that are mounted. */
export type ImageMountDeps = Pick<CriDeps, 'engine' | 'imageVolumes' | 'images' | 'mirror' | 'seal'>;

/** Go's `fs.ModeDir`, the highest of the 32 bits of a mode. */
const FOLDER_BIT = 2 ** 31;

/** The mounts of a request, looked up. */
export interface ResolvedMounts {
  /** With the ids of their images in the place of other references. */
  readonly mounts: Mount__Output[];
  /** As `MountAbilities.imageFiles`. */
  readonly imageFiles: (mount: Mount__Output) => ImageFiles | undefined;
  /** The images that cridock itself has to mount for them, by id. */
  readonly imagesToMount: readonly string[];
}

/**
 * Looks the images of image mounts up, and the sub paths in them: Docker tells only at the start that one is missing.
 * NOT_FOUND for an image or sub path that is not here.
 */
export async function resolveMounts(
  deps: ImageMountDeps,
  asked: Mount__Output[],
  signal: AbortSignal,
): Promise<ResolvedMounts> {
  const engineMounts = deps.engine.supports(IMAGE_MOUNT_API_VERSION);
  const files = new Map<Mount__Output, ImageFiles>();
  const images = new Set<string>();
  const resolve = async (mount: Mount__Output, index: number): Promise<Mount__Output> => {
    if (mount.image === null) return mount;
    const field = `config.mounts[${index}]`;
    checkSubPath(`${field}.image_sub_path`, mount.image_sub_path);
    await checkRuntimeHandler(deps, `${field}.image.runtime_handler`, mount.image.runtime_handler, signal);
    const image = await resolved(deps, `${field}.image.image`, mount.image, signal);
    const path = await pathInImage(deps, `${field}.image_sub_path`, image.image, mount.image_sub_path);
    const withId = { ...mount, image };
    files.set(withId, {
      subPath: path.slice(1),
      folder: posix.join(deps.imageVolumes.folderOf(image.image), path),
    });
    if (!engineMounts) images.add(image.image);
    return withId;
  };
  return {
    mounts: await Promise.all(asked.map(resolve)),
    imageFiles: (mount) => files.get(mount),
    imagesToMount: [...images],
  };
}

async function resolved(
  deps: Pick<CriDeps, 'engine' | 'images'>,
  field: string,
  image: ImageSpec__Output,
  signal: AbortSignal,
): Promise<ImageSpec__Output> {
  const found = await findImage(deps.images, image.image, field, signal);
  if (found === undefined) {
    throw new CriError(Code.NOT_FOUND, `${IMAGE_VOLUME_FAILED}: ${field}: no image "${image.image}" here`);
  }
  return { ...image, image: found.Id };
}

/** Where a sub path leads in the image, as an absolute path there without any link in it. */
async function pathInImage(
  parts: Pick<CriDeps, 'engine' | 'images' | 'seal'>,
  field: string,
  imageId: string,
  subPath: string,
): Promise<string> {
  if (subPath === '') return '/';
  const path = await withScratchContainer(parts, imageId, (id) => withoutLinks(parts.engine, id, subPath));
  if (path !== undefined) return path;
  throw new CriError(Code.NOT_FOUND, `${IMAGE_VOLUME_FAILED}: ${field}: the image has no "${subPath}"`);
}

/**
 * Links would lead out of the image where it is mounted on the node, and the Engine's own image mounts refuse absolute ones.
 * Within a container the Engine follows a link, and all that it leads over.
 */
async function withoutLinks(
  engine: Engine,
  containerId: string,
  subPath: string,
): Promise<string | undefined> {
  let path = '/';
  let isFolder = true;
  for (const name of subPath.split('/')) {
    if (!isFolder) return undefined;
    const next = posix.join(path, name);
    const entry = await engine.statPath(containerId, next);
    path = entry?.linkTarget || next;
    const target = path === next ? entry : await engine.statPath(containerId, path);
    if (target === undefined) return undefined;
    isFolder = target.mode >= FOLDER_BIT;
  }
  return path;
}
