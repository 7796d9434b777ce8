import { checkSubPath } from '../convert/mounts.js';
import type { Mount__Output } from '../gen/runtime/v1/Mount.js';
import type { ImageSpec__Output } from '../gen/runtime/v1/ImageSpec.js';
import { Code, CriError } from '../util/cri-error.js';
import type { CriDeps } from './deps.js';
import { findImage } from './image-lookup.js';
import { withScratchContainer } from './scratch-container.js';

/** The kubelet looks for this word in the error. */
const FAILED = 'ImageVolumeMountFailed';
const MAX_LINKS = 16;

/**
 * The mounts of a container with the ids of their images, which the Engine must have, in the place of other references.
 * NOT_FOUND for an image that is not here and for a sub path that is not in it: Docker tells the latter only at the start.
 */
export async function resolveImageMounts(
  deps: CriDeps,
  mounts: Mount__Output[],
  signal: AbortSignal,
): Promise<Mount__Output[]> {
  return Promise.all(
    mounts.map(async (mount, index) => {
      if (mount.image === null) return mount;
      const field = `config.mounts[${index}]`;
      checkSubPath(`${field}.image_sub_path`, mount.image_sub_path);
      const image = await resolved(deps, `${field}.image.image`, mount.image, signal);
      if (mount.image_sub_path !== '' && !(await hasPath(deps, image.image, mount.image_sub_path))) {
        throw new CriError(
          Code.NOT_FOUND,
          `${FAILED}: ${field}.image_sub_path: the image has no "${mount.image_sub_path}"`,
        );
      }
      return { ...mount, image };
    }),
  );
}

async function resolved(
  deps: CriDeps,
  field: string,
  image: ImageSpec__Output,
  signal: AbortSignal,
): Promise<ImageSpec__Output> {
  const found = await findImage(deps.engine, image.image, field, signal);
  if (found === undefined) {
    throw new CriError(Code.NOT_FOUND, `${FAILED}: ${field}: no image "${image.image}" here`);
  }
  return { ...image, image: found.Id };
}

async function hasPath({ engine }: CriDeps, imageId: string, subPath: string): Promise<boolean> {
  return withScratchContainer(engine, imageId, async (id) => {
    let path = `/${subPath}`;
    for (let links = 0; links <= MAX_LINKS; links += 1) {
      const stat = await engine.statPath(id, path);
      if (stat === undefined) return false;
      if (stat.linkTarget === '') return true;
      path = stat.linkTarget;
    }
    return false;
  });
}
