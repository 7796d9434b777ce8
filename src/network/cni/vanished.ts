import { forEachLimited } from '../../util/concurrency.js';
import { messageOf } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { POD_INTERFACE } from './attachment.js';
import type { AttachmentCache } from './cache.js';
import type { ValidAttachment } from './chain.js';

const AT_A_TIME = 4;

/**
 * Detaches all recorded sandboxes that do not exist any more; failures are logged. Answers what tells the attachments that
 * are valid at the time when it is called.
 *
 * @param existingSandboxIds asked once, after the records were listed; see `PodNetwork.gc`
 */
export async function detachVanished(
  cache: AttachmentCache,
  log: Logger,
  existingSandboxIds: () => Promise<ReadonlySet<string>>,
  detach: (sandboxId: string) => Promise<void>,
): Promise<() => Promise<ValidAttachment[]>> {
  const recorded = await cache.sandboxIds();
  const remembered = await cache.detachedIds();
  const existing = await existingSandboxIds();
  const vanished = new Set([...recorded].filter((sandboxId) => !existing.has(sandboxId)));
  await forEachLimited(vanished, AT_A_TIME, async (sandboxId) => {
    try {
      await detach(sandboxId);
      await cache.forget(sandboxId);
      log.info('detached a sandbox that does not exist any more', { sandboxId });
    } catch (error) {
      const fields = { sandboxId, error: messageOf(error) };
      log.warn('a sandbox that does not exist any more cannot be detached', fields);
    }
  });
  for (const sandboxId of remembered) if (!existing.has(sandboxId)) await cache.forget(sandboxId);
  return async () => {
    const attached = [...(await cache.sandboxIds())].filter((sandboxId) => !vanished.has(sandboxId));
    return [...new Set([...existing, ...attached])].map((containerID) => ({
      containerID,
      ifname: POD_INTERFACE,
    }));
  };
}
