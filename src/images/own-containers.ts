import { labelsWithoutValues } from '../convert/image/copied-config.js';
import { OWN_LABEL_PREFIX } from '../convert/text/labels.js';
import type { Engine } from '../docker/engine.js';
import type { Seal } from '../state/seal.js';
import { Code, hasCode } from '../util/cri-error.js';
import type { KnownImages } from './known-images.js';

/** What cridock's own containers are made and known with. */
export interface OwnContainerParts {
  readonly engine: Engine;
  readonly images: Pick<KnownImages, 'inspectImage'>;
  readonly seal: Seal;
}

/** A container that cridock made for itself. */
export interface OwnContainer {
  readonly id: string;
  /** The image that it was made of. */
  readonly imageId: string;
  /** Unix ms. */
  readonly createdAtMs: number;
}

/**
 * Makes a container of the image that is never started, for a purpose of cridock's own: none of the image's labels has a value there.
 * Throws as the Engine, and FAILED_PRECONDITION where Docker would copy too much of the image's config all the same.
 */
export async function createOwn(
  { engine, images, seal }: OwnContainerParts,
  name: string,
  purpose: string,
  imageId: string,
): Promise<string> {
  const emptied = labelsWithoutValues('image', imageId, await images.inspectImage(imageId));
  const body = seal.onto(name, {
    Image: imageId,
    // Never run; an image may name no program.
    Entrypoint: ['/'],
    Labels: { [OWN_LABEL_PREFIX + purpose]: imageId },
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } },
  });
  return engine.createContainer(name, { ...body, Labels: { ...emptied, ...body.Labels } });
}

/**
 * The containers that were made for this purpose: those with its label that cridock has sealed. An image may have the label
 * too, and then every container of it.
 */
export async function listOwn({ engine, seal }: OwnContainerParts, purpose: string): Promise<OwnContainer[]> {
  const label = OWN_LABEL_PREFIX + purpose;
  const own: OwnContainer[] = [];
  for (const { Id: id } of await engine.listContainers([label])) {
    try {
      const inspect = await engine.inspectContainer(id);
      const imageId = seal.open(inspect)?.labels[label];
      if (imageId !== undefined) own.push({ id, imageId, createdAtMs: Date.parse(inspect.Created) });
    } catch (error) {
      if (!hasCode(error, Code.NOT_FOUND)) throw error; // else removed meanwhile
    }
  }
  return own;
}
