import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';

/** A mount of an image's files as it was asked for: Docker's record shows what was made of it. */
export interface ImageVolumeMount {
  /** The image's id. */
  readonly image: string;
  /** As asked for; '' for the whole image. */
  readonly subPath: string;
}

/** By path in the container. */
export type ImageVolumeMounts = Readonly<Record<string, ImageVolumeMount>>;

/** The fact of cridock's own that holds them. */
export const IMAGE_VOLUMES = 'image-volumes';

/** Those facts for a label; none where there are no such mounts. Images are named by their ids here. */
export function imageVolumesFact(mounts: readonly Mount__Output[]): Record<string, string> {
  // A later mount of the same target takes the place of an earlier one.
  const volumes = Object.fromEntries(
    mounts.map(({ container_path: target, image, image_sub_path: subPath }) => [
      target,
      image === null ? undefined : { image: image.image, subPath },
    ]),
  );
  const text = JSON.stringify(volumes);
  return text === '{}' ? {} : { [IMAGE_VOLUMES]: text };
}

/** Reads what `imageVolumesFact` wrote; none for any other text, which is somebody else's doing. */
export function parseImageVolumes(text: string | undefined): ImageVolumeMounts {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return Object.fromEntries(Object.entries(value ?? {}).filter(isVolume));
  } catch {
    return {};
  }
}

function isVolume(entry: [string, unknown]): entry is [string, ImageVolumeMount] {
  const [, value] = entry;
  return (
    typeof value === 'object' &&
    value !== null &&
    'image' in value &&
    typeof value.image === 'string' &&
    'subPath' in value &&
    typeof value.subPath === 'string'
  );
}
