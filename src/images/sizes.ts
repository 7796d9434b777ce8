import { usesContainerdStore } from '../convert/engine-info.js';
import type { ImageInspect } from '../docker/types.js';
import type { Mirror } from '../state/mirror.js';
import type { KnownImages } from './known-images.js';

/**
 * The bytes that an image takes on the node. On the containerd image store an inspect tells those of the compressed
 * content only, so the list is asked.
 */
export async function imageBytes(
  { images, mirror }: { readonly images: KnownImages; readonly mirror: Mirror },
  image: ImageInspect,
  signal: AbortSignal,
): Promise<number> {
  const info = mirror.facts?.info;
  if (info !== undefined && !usesContainerdStore(info)) return image.Size;
  const listed = await images.listImages({ signal });
  return listed.find(({ Id: id }) => id === image.Id)?.Size ?? image.Size;
}
