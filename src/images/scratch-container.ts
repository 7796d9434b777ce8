import { randomBytes } from 'node:crypto';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { unlessGone } from '../util/cri-error.js';
import { createOwn, listOwn, type OwnContainerParts } from './own-containers.js';

const PURPOSE = 'scratch';

/** Nobody looks into an image for longer: such a container was left by a crash. */
const LONGEST_USE_MS = 120_000;

/** Works on a container of the image that is never started: the Engine shows an image's files only in a container. */
export async function withScratchContainer<T>(
  parts: OwnContainerParts,
  imageId: string,
  work: (containerId: string) => Promise<T>,
): Promise<T> {
  const name = `cridock-scratch-${randomBytes(8).toString('hex')}`;
  const id = await createOwn(parts, name, PURPOSE, imageId);
  try {
    return await work(id);
  } finally {
    await unlessGone(parts.engine.removeContainer(id));
  }
}

/** Removes the scratch containers that a crash has left. Failures are logged and tried again next time. */
export async function removeOldScratchContainers(parts: OwnContainerParts, log: Logger): Promise<void> {
  try {
    for (const { id, createdAtMs } of await listOwn(parts, PURPOSE)) {
      if (Date.now() - createdAtMs > LONGEST_USE_MS) await unlessGone(parts.engine.removeContainer(id));
    }
  } catch (error) {
    log.warn('could not remove containers that were made to look into images', { error: messageOf(error) });
  }
}
