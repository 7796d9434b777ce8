import { randomBytes } from 'node:crypto';
import { OWN_LABEL_PREFIX } from '../convert/text/labels.js';
import type { Engine } from '../docker/engine.js';
import { messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { unlessGone } from '../util/cri-error.js';

const SCRATCH_LABEL = `${OWN_LABEL_PREFIX}scratch`;

/** Nobody looks into an image for longer: such a container was left by a crash. */
const LONGEST_USE_SECONDS = 120;

/** Works on a container of the image that is never started: the Engine shows an image's files only in a container. */
export async function withScratchContainer<T>(
  engine: Engine,
  imageId: string,
  work: (containerId: string) => Promise<T>,
): Promise<T> {
  const id = await engine.createContainer(`cridock-scratch-${randomBytes(8).toString('hex')}`, {
    Image: imageId,
    // Never run; an image may name no program.
    Entrypoint: ['/'],
    Labels: { [SCRATCH_LABEL]: imageId },
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } },
  });
  try {
    return await work(id);
  } finally {
    await unlessGone(engine.removeContainer(id));
  }
}

/** Removes the scratch containers that a crash has left. Failures are logged and tried again next time. */
export async function removeOldScratchContainers(engine: Engine, log: Logger): Promise<void> {
  try {
    for (const { Id: id, Created: created } of await engine.listContainers([SCRATCH_LABEL])) {
      if (Date.now() / 1000 - created > LONGEST_USE_SECONDS) await unlessGone(engine.removeContainer(id));
    }
  } catch (error) {
    log.warn('could not remove containers that were made to look into images', { error: messageOf(error) });
  }
}
