import { join } from 'node:path';
import type { Engine } from '../docker/engine.js';
import type { Mirror } from '../state/mirror.js';
import type { Logger } from '../util/log.js';
import { ImageAccounts } from './accounts.js';
import { ImageDiskUsage } from './disk-usage.js';
import { ImageInodes } from './inodes.js';
import { removeOldScratchContainers } from './scratch-container.js';
import { ImageSizes } from './sizes.js';
import { ImageVolumes, sweepImageVolumes } from './volumes.js';

/** What is known and kept of images. */
export interface Images {
  readonly imageDiskUsage: ImageDiskUsage;
  readonly imageInodes: ImageInodes;
  readonly imageAccounts: ImageAccounts;
  readonly imageSizes: ImageSizes;
  readonly imageVolumes: ImageVolumes;
}

/** What images are known and kept with. */
export interface ImagesOptions {
  readonly engine: Engine;
  readonly mirror: Mirror;
  /** Image volumes are mounted below it. */
  readonly rootDirectory: string;
  readonly log: Logger;
}

/** Builds them. After each full reading of the Engine what no container uses any more is taken away. */
export function buildImages({ engine, mirror, rootDirectory, log }: ImagesOptions): Images {
  const imageVolumes = new ImageVolumes(engine, join(rootDirectory, 'image-volumes'));
  mirror.subscribe({
    onResync: () => {
      void removeOldScratchContainers(engine, log);
      void sweepImageVolumes({ imageVolumes, mirror, log });
    },
  });
  return {
    imageDiskUsage: new ImageDiskUsage(engine),
    imageInodes: new ImageInodes(engine, log),
    imageAccounts: new ImageAccounts(engine),
    imageSizes: new ImageSizes(),
    imageVolumes,
  };
}
