import type { SandboxRecord } from '../../state/records.js';
import type { CriDeps } from '../deps.js';
import { findSandbox } from '../lookup.js';

/** What is done with a sandbox, by whether the Engine has it. */
export interface SandboxWork {
  readonly present: (sandbox: SandboxRecord) => Promise<void>;
  /** With its id, or whatever was asked for. */
  readonly gone: (id: string) => Promise<void>;
}

/**
 * Works on a sandbox under its pod's lock, as it is by then: a call that waited for another may find it gone, and what was
 * known of its process and its network is nobody's any more. Throws INVALID_ARGUMENT for an id that is ambiguous or empty.
 */
export async function underPodLock(
  deps: Pick<CriDeps, 'mirror' | 'podLocks'>,
  asked: string,
  signal: AbortSignal,
  { present, gone }: SandboxWork,
): Promise<void> {
  const picture = await deps.mirror.current(signal);
  // One that is still being made is waited for.
  const known = findSandbox(picture, asked) ?? picture.get(asked);
  const id = known?.id ?? asked;
  const work = async (): Promise<void> => {
    const sandbox = (await deps.mirror.current(signal)).sandboxes.get(id);
    await (sandbox === undefined ? gone(id) : present(sandbox));
  };
  await deps.podLocks.run(known?.name ?? id, work, signal);
}
