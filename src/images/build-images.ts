import { join } from 'node:path';
import type { Engine } from '../docker/engine.js';
import type { EngineNews } from '../state/engine-news.js';
import type { Mirror } from '../state/mirror.js';
import type { Seal } from '../state/seal.js';
import type { Logger } from '../util/log.js';
import { ImageAccounts } from './accounts.js';
import { ImageDiskUsage } from './disk-usage.js';
import { ImageInodes } from './inodes.js';
import { removeOldScratchContainers } from './scratch-container.js';
import type { KnownImages } from './known-images.js';
import { ImageVolumes, sweepImageVolumes } from './volumes.js';

/** What is known and kept of images. */
export interface Images {
  readonly imageDiskUsage: ImageDiskUsage;
  readonly imageInodes: ImageInodes;
  readonly imageAccounts: ImageAccounts;
  readonly imageVolumes: ImageVolumes;
}

/** What images are known and kept with. */
export interface ImagesOptions {
  readonly engine: Engine;
  readonly seal: Seal;
  readonly mirror: Mirror;
  readonly images: KnownImages;
  readonly news: EngineNews;
  /** Image volumes are mounted below it. */
  readonly rootDirectory: string;
  readonly log: Logger;
}

/** Builds them. What events of images tell is asked for anew; after each full reading of the Engine what no container uses any more is taken away. */
export function buildImages(options: ImagesOptions): Images {
  const { engine, seal, mirror, images, news, rootDirectory, log } = options;
  const parts = { engine, images, seal };
  const imageVolumes = new ImageVolumes(parts, join(rootDirectory, 'image-volumes'));
  mirror.subscribe({
    onResync: () => {
      void removeOldScratchContainers(parts, log);
      void sweepImageVolumes({ imageVolumes, mirror, log });
    },
  });
  images.follow(news);
  const imageDiskUsage = new ImageDiskUsage({ engine, images, mirror });
  const imageInodes = new ImageInodes(images, log);
  news.subscribe({
    onImages: () => {
      imageDiskUsage.forget();
      imageInodes.forget();
    },
  });
  return {
    imageDiskUsage,
    imageInodes,
    imageAccounts: new ImageAccounts(parts),
    imageVolumes,
  };
}
