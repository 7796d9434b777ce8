import { imageIdentity } from '../convert/image/image-identity.js';
import type { ContainerLabelFacts } from '../convert/text/labels.js';
import type { ContainerInspect } from '../docker/types.js';
import type { KnownImages } from './known-images.js';
import type { ContainerRecord } from '../state/records.js';

/** Facts of cridock's own on a container: how its image was named when it was created. */
export const IMAGE_NAME = 'image';
export const IMAGE_REF = 'image-ref';

/**
 * How a container's image is named to CRI. cridock writes it down when it creates the container, since the image may
 * lose its names later; for a container that cri-dockerd made the image is asked.
 */
export async function imageNames(
  inspect: ContainerInspect,
  labels: ContainerLabelFacts,
  images: KnownImages,
): Promise<ContainerRecord['image']> {
  const { [IMAGE_NAME]: name, [IMAGE_REF]: ref } = labels.own;
  if (name !== undefined && ref !== undefined) return { name, ref, id: inspect.Image };
  const image = await images.byId(inspect.Image); // undefined when it is gone, as it may be under an ended container
  return { ...imageIdentity(inspect.Config.Image, inspect.Image, image), id: inspect.Image };
}
