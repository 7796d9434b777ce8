import type { StartFacts } from '../../companion/companion.js';
import { cdiEdits } from '../../companion/cdi-edits.js';
import { isCompanionRuntime } from '../../convert/companion/runtime-names.js';
import type { Adjustments } from '../../convert/companion/adjustments.js';
import type { OciEdits } from '../../convert/companion/oci-edits.js';
import { configEdits } from '../../convert/nri/config-edits.js';
import { cdiFolders } from '../../convert/container/devices.js';
import { limitsBeforeStart } from '../../limits/limits-before-start.js';
import { nodeLimitsOf } from '../../limits/node-limits.js';
import { readCdiDevices } from '../../node/cdi-specs.js';
import { adjustmentsOf } from '../../state/adjustments.js';
import type { ContainerRecord } from '../../state/records.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';
import { pluginsAdjustment } from '../nri/adjust-container.js';

/** What it takes to start what needs the companion runtime. */
export type CompanionStartDeps = Pick<
  CriDeps,
  | 'companion'
  | 'engine'
  | 'heldLimits'
  | 'log'
  | 'mirror'
  | 'nri'
  | 'nriAdjustments'
  | 'restores'
  | 'settings'
>;

/** How a sandbox's container differs from what the Engine would start. */
export interface SandboxStart {
  /** Whether it was made for the companion runtime. */
  readonly isByCompanion: boolean;
  readonly userNamespace: Adjustments['userNamespace'];
  /** Leads to the network namespace that is to be the pod's; undefined where the runtime makes it. */
  readonly networkNamespacePath?: string | undefined;
}

/** Has the Engine start a sandbox's container. */
export async function startSandboxContainer(
  { companion, engine }: Pick<CriDeps, 'companion' | 'engine'>,
  id: string,
  { isByCompanion, userNamespace, networkNamespacePath }: SandboxStart,
): Promise<void> {
  if (!isByCompanion) return engine.startContainer(id);
  const facts = { adjustments: { userNamespace }, networkNamespacePath, hugePages: {}, unified: {} };
  await companion.starting(id, facts, () => engine.startContainer(id));
}

/**
 * Has the Engine start a member of a pod. FAILED_PRECONDITION for one that needs the companion and was not made by this
 * node's cridock, or whose pod is not there to be joined.
 */
export async function startMember(
  deps: CompanionStartDeps,
  container: ContainerRecord,
  signal: AbortSignal,
): Promise<void> {
  const { companion, engine } = deps;
  const { id } = container;
  const asked = pluginsAdjustment(deps, container);
  if (!isCompanionRuntime(container.inspect.HostConfig.Runtime)) return engine.startContainer(id);
  const adjustments = adjustmentsOf(container);
  if (adjustments === undefined) {
    throw new CriError(
      Code.FAILED_PRECONDITION,
      `container_id: what container ${id} was made to be is not known`,
    );
  }
  const limits = await limitsBeforeStart(nodeLimitsOf(deps, container));
  const userNamespacePath = adjustments.userNamespace && podUserNamespace(deps, container);
  const cdi = [...(adjustments.cdi ?? []), ...(asked?.CDI_devices ?? []).map(({ name }) => name)];
  const edits = [
    ...(cdi.length === 0 ? [] : [await cdiEditsOf(deps, cdi, adjustments.userNamespace)]),
    ...(asked === undefined ? [] : [configEdits(asked, deps.settings.minOomScoreAdj)]),
  ];
  const facts = { adjustments, userNamespacePath, ...limits, edits };
  const { restore } = adjustments;
  if (restore !== undefined) return startRestored(deps, container, facts, restore, signal);
  await companion.starting(id, facts, () => engine.startContainer(id));
}

/**
 * The checkpoint goes once the container runs; else with the container. Until the runtime is asked, a caller that gives up keeps no
 * pod waiting.
 */
async function startRestored(
  { companion, engine, restores, log }: CompanionStartDeps,
  { id, inspect }: ContainerRecord,
  facts: StartFacts,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const isReadOnly = inspect.HostConfig.ReadonlyRootfs === true;
  const restore = await restores.place(name, id, isReadOnly, signal);
  try {
    await companion.starting(id, { ...facts, restore }, () => engine.startContainer(id));
  } catch (error) {
    const reason = await restores.reason(name);
    if (reason === '' || !(error instanceof CriError)) throw error;
    throw new CriError(error.code, `${error.message}; criu: ${reason}`, { cause: error });
  }
  log.info('restored a container from a checkpoint', { containerId: id });
  await restores.remove(name).catch((error: unknown) => {
    log.warn('what is left of a restore stays', { containerId: id, error: messageOf(error) });
  });
}

/** By what the specifications say now: FAILED_PRECONDITION where one of them is gone, or wrong, since the container was made. */
async function cdiEditsOf(
  { mirror }: Pick<CriDeps, 'mirror'>,
  names: readonly string[],
  userNamespace: Adjustments['userNamespace'],
): Promise<OciEdits> {
  const { info } = await mirror.currentFacts();
  try {
    return await cdiEdits(names, await readCdiDevices(cdiFolders(info)), userNamespace);
  } catch (error) {
    throw new CriError(Code.FAILED_PRECONDITION, `container_id: ${messageOf(error)}`, { cause: error });
  }
}

/** By the pid of the moment: the caller has the pod's lock, and runc compares the mappings. */
function podUserNamespace({ mirror }: Pick<CriDeps, 'mirror'>, { id, sandboxId }: ContainerRecord): string {
  const sandbox = mirror.lastKnown.sandboxes.get(sandboxId);
  if (sandbox !== undefined && sandbox.pid !== 0) return `/proc/${sandbox.pid}/ns/user`;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    `container_id: the pod sandbox of container ${id} does not run`,
  );
}
