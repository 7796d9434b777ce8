import { usesContainerdStore } from '../convert/engine-info.js';
import type { ImageInspect } from '../docker/types.js';
import type { Engine } from '../docker/engine.js';
import type { Mirror } from '../state/mirror.js';

/**
 * The bytes that an image takes on the node. On the containerd image store an inspect tells those of the compressed
 * content only, so the list is asked, once an image.
 */
export class ImageSizes {
  readonly #bytes = new Map<string, number>();

  async of(
    { engine, mirror }: { readonly engine: Engine; readonly mirror: Mirror },
    image: ImageInspect,
    signal: AbortSignal,
  ): Promise<number> {
    const info = mirror.facts?.info;
    if (info !== undefined && !usesContainerdStore(info)) return image.Size;
    const known = this.#bytes.get(image.Id);
    if (known !== undefined) return known;
    this.#bytes.clear(); // nothing is kept of images that have gone
    for (const { Id: id, Size: size } of await engine.listImages({ signal })) this.#bytes.set(id, size);
    return this.#bytes.get(image.Id) ?? image.Size;
  }
}
