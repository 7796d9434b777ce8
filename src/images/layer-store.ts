import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineInfo } from '../docker/types.js';
import { forEachLimited } from '../util/concurrency.js';
import type { KnownImages } from './known-images.js';

const AT_A_TIME = 8;
const FULL_DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * The sizes of image layers as a graph driver's store has written them down when it unpacked them, one small file a layer: for
 * Engines whose own request for the sum measures everything else too. A layer never changes, so each file is read once.
 */
export class LayerStore {
  /** By chain id. */
  #bytes = new Map<string, number>();

  /** Bytes of all images' layers, shared ones counted once; undefined where the store cannot be read here. */
  async bytes(
    { DockerRootDir: root, Driver: driver }: EngineInfo,
    images: KnownImages,
  ): Promise<number | undefined> {
    const folder = join(root, 'image', driver, 'layerdb', 'sha256');
    const chains = await chainsOf(images);
    const sizes = new Map<string, number>();
    try {
      await forEachLimited(chains, AT_A_TIME, async (chain) => {
        sizes.set(chain, this.#bytes.get(chain) ?? (await sizeIn(join(folder, chain, 'size'))));
      });
    } catch {
      return undefined;
    }
    this.#bytes = sizes;
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }
}

/** The chain ids of all layers, as hex digits: each is that of the layers below and the layer's own digest. */
async function chainsOf(images: KnownImages): Promise<Set<string>> {
  const chains = new Set<string>();
  await forEachLimited(await images.listImages(), AT_A_TIME, async ({ Id: id }) => {
    const layers = (await images.byId(id))?.RootFS?.Layers ?? []; // undefined when it was removed meanwhile
    let chain = '';
    for (const layer of layers) {
      if (!FULL_DIGEST.test(layer)) break;
      chain = chain === '' ? layer : `sha256:${sha256(`${chain} ${layer}`)}`;
      chains.add(chain.replace('sha256:', ''));
    }
  });
  return chains;
}

async function sizeIn(path: string): Promise<number> {
  const bytes = Number((await readFile(path, 'utf8')).trim());
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`${path} holds no size`);
  return bytes;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
