import { KIND_LABEL } from '../../convert/text/labels.js';
import { forEachLimited } from '../../util/concurrency.js';
import { messageOf } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** What it takes to take back what vanished sandboxes left. */
export type ReclaimDeps = Pick<
  CriDeps,
  'checkpoints' | 'engine' | 'log' | 'mirror' | 'network' | 'podNamespaces' | 'podResources'
>;

/** Of vanished sandboxes that nobody waits for: a network may take its time for each. */
const AT_A_TIME = 4;
const FULL_ID = /^[0-9a-f]{64}$/;

/** Takes back what sandboxes have left that the Engine no longer has, when it tells so and after each full reading. */
export function reclaimVanishedSandboxes(deps: ReclaimDeps): void {
  let running: Promise<void> | undefined;
  deps.mirror.subscribe({
    onResync: () => {
      running ??= reclaimAllVanished(deps).finally(() => (running = undefined));
    },
    onChange: ({ before, after }) => {
      if (before?.kind === 'sandbox' && after === undefined) void reclaimAfterRemoval(deps, before.id);
    },
  });
}

/**
 * Takes back the network and the checkpoint of a sandbox whose container was removed behind cridock's back. Nothing to
 * do for ids that left nothing.
 */
export async function reclaimVanishedSandbox(
  deps: ReclaimDeps,
  sandboxId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!FULL_ID.test(sandboxId)) return;
  await deps.podResources.delete(sandboxId);
  await deps.podNamespaces.with(sandboxId, [], (netnsPath) => reclaim(deps, sandboxId, netnsPath, signal));
}

/** @param netnsPath leads to its namespace, where that is held since an attempt that failed; '' when it is gone */
async function reclaim(
  deps: ReclaimDeps,
  sandboxId: string,
  netnsPath: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const checkpoint = await deps.checkpoints.read(sandboxId);
  if (checkpoint !== undefined && !checkpoint.hostNetwork) {
    await deps.network.tearDown(
      {
        sandboxId,
        podName: checkpoint.name,
        podNamespace: checkpoint.namespace,
        podUid: '',
        annotations: {},
        cgroupParent: '',
        portMappings: () => Promise.resolve(checkpoint.portMappings),
        netnsPath,
      },
      signal,
    );
  }
  if (checkpoint !== undefined) await deps.checkpoints.remove(sandboxId);
  // Also after a removal that was given up when the checkpoint was gone already.
  await deps.network.forget(sandboxId);
}

/** As `reclaimVanishedSandbox`, when the Engine tells that one has gone. A failure is logged: `reclaimAllVanished` repeats it. */
async function reclaimAfterRemoval(deps: ReclaimDeps, sandboxId: string): Promise<void> {
  try {
    await reclaimVanishedSandbox(deps, sandboxId, undefined);
  } catch (error) {
    deps.log.warn('could not reclaim what a pod sandbox has left', { sandboxId, error: messageOf(error) });
  }
}

/**
 * Reclaims what sandboxes that the Engine no longer has left behind: checkpoints with their networks, and attachments
 * without a checkpoint. Failures are logged and tried again next time.
 */
async function reclaimAllVanished(deps: ReclaimDeps): Promise<void> {
  try {
    const picture = await deps.mirror.current();
    await forEachLimited(await deps.checkpoints.list(), AT_A_TIME, async (sandboxId) => {
      // A sandbox that was created a moment ago may not be in the picture yet: the Engine has the last word.
      if (picture.sandboxes.get(sandboxId) ?? (await deps.mirror.refresh(sandboxId))) return;
      deps.log.info('reclaiming what a vanished pod sandbox has left', { sandboxId });
      await reclaimAfterRemoval(deps, sandboxId); // what fails of one does not keep the others from it
    });
    await deps.network.gc(async () => {
      const listed = await deps.engine.listContainers([KIND_LABEL]);
      return new Set(listed.map(({ Id: id }) => id));
    });
  } catch (error) {
    deps.log.warn('could not reclaim what vanished pod sandboxes have left', { error: messageOf(error) });
  }
}
