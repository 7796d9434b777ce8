import { join } from 'node:path';
import { asksForAny, askedLimits, limitsOfCreation } from '../../convert/nri/asked-resources.js';
import { adjustmentsBeyondLimits } from '../../convert/nri/beyond-limits.js';
import { cdiEdits } from '../../companion/cdi-edits.js';
import { passedOver } from '../../convert/companion/runc-features.js';
import { cdiFolders } from '../../convert/container/devices.js';
import { ASKED } from '../../convert/nri/adjustable.js';
import { configEdits } from '../../convert/nri/config-edits.js';
import { readCdiDevices } from '../../node/cdi-specs.js';
import { companionUse } from '../companion/use.js';
import { isCompanionRuntime } from '../../convert/companion/runtime-names.js';
import type { ContainerAdjustment__Output } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { ContainerAdjustment } from '../../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import { JsonStore } from '../../state/json-store.js';
import { ownFact, type ContainerRecord, type ObjectRecord } from '../../state/records.js';
import { Code, CriError, unlessGone } from '../../util/cri-error.js';
import type { Logger } from '../../util/log.js';
import { changeLimits } from '../container/change-limits.js';
import type { CriDeps } from '../deps.js';
import type { NriDeps } from './deps.js';

/** What it takes to give a new container what plugins want it to have. */
export type AdjustDeps = NriDeps & Pick<CriDeps, 'companion' | 'nriAdjustments'>;

/** What plugins want containers to have at their start, by container id: in NRI's words, beside limits that Docker keeps. */
export function nriAdjustmentsStore(rootDirectory: string, log: Logger): JsonStore<ContainerAdjustment> {
  return new JsonStore({
    dir: join(rootDirectory, 'nri'),
    read: (value) => {
      if (typeof value !== 'object' || value === null) throw new Error('no object');
      return value;
    },
    log,
    outlasts: 'a crash',
  });
}

/**
 * Gives a container that was just created what plugins want it to have: limits at once, and the rest at its start. UNIMPLEMENTED
 * with the reason for what cannot be had without the companion runtime.
 */
export async function adjustContainer(
  deps: AdjustDeps,
  container: ContainerRecord,
  adjust: ContainerAdjustment,
): Promise<void> {
  const resources = adjust.linux?.resources ?? {};
  const beyond = adjustmentsBeyondLimits(adjust);
  const [first] = [...beyond, ...limitsOfCreation(resources).map((name) => `linux.resources.${name}`)];
  if (first !== undefined && !isCompanionRuntime(container.inspect.HostConfig.Runtime)) {
    throw new CriError(
      Code.UNIMPLEMENTED,
      `an NRI plugin adjusts ${first}: this needs the companion runtime, which this container cannot have`,
    );
  }
  const limits = askedLimits(resources, true);
  if (asksForAny(limits)) await changeLimits(deps, container, limits);
  const whole = deps.nri.protocol.complete('ContainerAdjustment', adjust);
  await checkEdits(deps, container, whole);
  await deps.nriAdjustments.set(container.id, whole);
}

/**
 * What plugins want the container to have at its start; undefined where none was asked. FAILED_PRECONDITION for a container that they
 * were to be asked about, and were not.
 */
export function pluginsAdjustment(
  deps: Pick<CriDeps, 'nri' | 'nriAdjustments'>,
  container: ContainerRecord,
): ContainerAdjustment__Output | undefined {
  const adjust = deps.nriAdjustments.get(container.id);
  if (adjust !== undefined) return deps.nri.protocol.complete('ContainerAdjustment', adjust);
  if (ownFact(container, ASKED) === undefined) return undefined;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    `container_id: container ${container.id} was not made to its end: NRI plugins have not adjusted it`,
  );
}

/** True for a container that plugins were to be asked about, and were not: an earlier call, or cridock itself, ended too soon. */
export function isHalfMade(
  { nriAdjustments }: Pick<CriDeps, 'nriAdjustments'>,
  record: ObjectRecord,
): boolean {
  const isAsked = record.kind === 'container' && ownFact(record, ASKED) !== undefined;
  const isNew = record.kind === 'container' && record.phase.state === ContainerState.CONTAINER_CREATED;
  return isAsked && isNew && nriAdjustments.get(record.id) === undefined;
}

/** It has never run, and nobody was told of it. Under its pod's lock. */
export async function removeHalfMade(deps: AdjustDeps, { id, name }: ObjectRecord): Promise<void> {
  deps.log.info('removing a container that was left half made', { containerId: id });
  try {
    await unlessGone(deps.engine.removeContainer(id));
    await deps.heldLimits.delete(id);
    await deps.mirror.removed(id);
  } finally {
    deps.mirror.reveal(name); // the next one of its name is to be seen; as this one, where it stays
  }
}

/** What would be passed over at the start, or fail it, is refused now. */
async function checkEdits(
  { companion, mirror, settings }: AdjustDeps,
  { sandboxId }: ContainerRecord,
  adjust: ContainerAdjustment__Output,
): Promise<void> {
  const { info } = await mirror.currentFacts();
  const edits = configEdits(adjust, settings.minOomScoreAdj);
  const handler = mirror.lastKnown.sandboxes.get(sandboxId)?.facts.runtimeHandler ?? '';
  const { features } = await companionUse({ companion }, info, handler);
  const unknown = passedOver(edits, features);
  if (unknown !== undefined) {
    throw new CriError(
      Code.UNIMPLEMENTED,
      `an NRI plugin adjusts ${unknown}, which the node's runc does not know`,
    );
  }
  if (adjust.linux?.resources?.blockio_class) {
    throw new CriError(Code.UNIMPLEMENTED, 'an NRI plugin sets blockio_class: this node has no such classes');
  }
  if (adjust.CDI_devices.length === 0) return;
  const known = await readCdiDevices(cdiFolders(info));
  await cdiEdits(
    adjust.CDI_devices.map(({ name }) => name),
    known,
    undefined,
  );
}
