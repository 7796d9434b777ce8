import type { ImageInspect } from '../../docker/types.js';
import type { Image } from '../../gen/runtime/v1/Image.js';
import { fullName, normaliseEngineName } from './image-reference.js';

/**
 * The CRI's view of an image. Names and digests come from the inspect, as the list lacks digests on the containerd store,
 * in full form; the size from the list, as the inspect has compressed bytes there. `isPinned` is asked for each
 * of its full names: the kubelet's garbage collection spares a pinned image.
 */
export function criImage(
  { Size }: { Size: number },
  inspect: ImageInspect,
  { isPinned }: { isPinned: (fullName: string) => boolean },
): Image {
  // After a pull by digest some Engines list the digest form among the tags.
  const repoTags = fullNames(inspect.RepoTags).filter((name) => !name.includes('@'));
  const repoDigests = fullNames(inspect.RepoDigests);
  return {
    id: inspect.Id,
    repo_tags: repoTags,
    repo_digests: repoDigests,
    // The kubelet takes size 0 for a malformed answer; an image without layers has it.
    size: Math.max(1, Size),
    ...imageUser(inspect.Config?.User ?? ''),
    pinned: [...repoTags, ...repoDigests].some(isPinned),
  };
}

/** Docker writes `<none>:<none>` and `<none>@<none>` for "no name": they are left out. */
function fullNames(names: string[] | null | undefined): string[] {
  return (names ?? [])
    .map(normaliseEngineName)
    .filter((name) => name !== undefined)
    .map(fullName);
}

/** `uid` when the image's user is a number, else `username`; neither means root. The group is not CRI's business. */
function imageUser(user: string): Pick<Image, 'uid' | 'username'> {
  const [name = ''] = user.split(':');
  if (name === '') return {};
  return /^\d+$/.test(name) ? { uid: { value: name } } : { username: name };
}
