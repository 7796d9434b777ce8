import { imageIdentity } from '../convert/image-identity.js';
import type { ContainerLabelFacts } from '../convert/labels.js';
import type { Engine } from '../docker/engine.js';
import type { ContainerInspect, ImageInspect } from '../docker/types.js';
import { Code, hasCode } from '../util/cri-error.js';
import type { ContainerRecord } from './records.js';

/** Facts of cridock's own on a container: how its image was named when it was created. */
export const IMAGE_NAME = 'image';
export const IMAGE_REF = 'image-ref';

/**
 * How a container's image is named to CRI. cridock writes it down when it creates the container, since the image may
 * lose its names later; for a container that cri-dockerd made the Engine is asked, once an image.
 */
export class ImageNames {
  readonly #engine: Engine;
  readonly #inspects = new Map<string, ImageInspect>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async of(inspect: ContainerInspect, labels: ContainerLabelFacts): Promise<ContainerRecord['image']> {
    const { [IMAGE_NAME]: name, [IMAGE_REF]: ref } = labels.own;
    if (name !== undefined && ref !== undefined) return { name, ref, id: inspect.Image };
    const image = await this.#inspect(inspect.Image);
    return { ...imageIdentity(inspect.Config.Image, inspect.Image, image), id: inspect.Image };
  }

  /** Undefined when the image is gone, as it may be under an ended container. */
  async #inspect(id: string): Promise<ImageInspect | undefined> {
    const known = this.#inspects.get(id);
    if (known !== undefined) return known;
    try {
      const image = await this.#engine.inspectImage(id);
      this.#inspects.set(id, image);
      return image;
    } catch (error) {
      if (hasCode(error, Code.NOT_FOUND)) return undefined;
      throw error;
    }
  }
}
