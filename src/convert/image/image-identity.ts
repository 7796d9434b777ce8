import type { ImageInspect } from '../../docker/types.js';
import { fullName, fullRepository, normaliseEngineName, type ImageName } from './image-reference.js';

/** How ContainerStatus names the image of a container. */
export interface ImageIdentity {
  /** For `image.image`: a tag of the image, the user's own where it is one, in full. */
  name: string;
  /** For `image_ref`: cri-dockerd's form, which users see as `imageID` in the pod's status. */
  ref: string;
}

const PULLABLE_PREFIX = 'docker-pullable://';
const ID_PREFIX = 'docker://';

/**
 * Names the image `imageId` for a container that was made with `userReference`. `inspect` is undefined when the image is
 * gone, which Docker allows while only stopped containers use it.
 */
export function imageIdentity(
  userReference: string,
  imageId: string,
  inspect: Pick<ImageInspect, 'RepoTags' | 'RepoDigests'> | undefined,
): ImageIdentity {
  const wanted = normaliseEngineName(userReference);
  return {
    name: tagFor(wanted, inspect?.RepoTags ?? []) ?? (userReference || imageId),
    ref: refFor(wanted, inspect?.RepoDigests ?? []) ?? ID_PREFIX + imageId,
  };
}

function tagFor(wanted: ImageName | undefined, repoTags: string[]): string | undefined {
  const tags = repoTags
    .map(normaliseEngineName)
    .filter((name) => name?.tag !== undefined && name.digest === undefined);
  const names = tags.filter((name) => name !== undefined).map(fullName);
  const wantedTag = wanted && fullName({ ...wanted, tag: wanted.tag ?? 'latest', digest: undefined });
  return names.find((name) => name === wantedTag) ?? names[0];
}

/** The user's digest, else the first of the user's repository, else the first; in Docker's own spelling. */
function refFor(wanted: ImageName | undefined, repoDigests: string[]): string | undefined {
  const digests = repoDigests.flatMap((text) => {
    const name = normaliseEngineName(text);
    return name?.digest === undefined ? [] : [{ text, name }];
  });
  const ofRepository = digests.filter(
    ({ name }) => wanted && fullRepository(name) === fullRepository(wanted),
  );
  const best =
    ofRepository.find(({ name }) => name.digest === wanted?.digest) ?? ofRepository[0] ?? digests[0];
  return best && PULLABLE_PREFIX + best.text;
}
