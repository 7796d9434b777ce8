import { join } from 'node:path';
import { ARCHIVE_END, POD_FOLDER } from '../../checkpoint/checkpoints.js';
import {
  POD_MANIFEST,
  differenceOf,
  programOf,
  readPodManifest,
  type CheckpointedMember,
  type PodManifest,
} from '../../convert/checkpoint/pod-manifest.js';
import { sandboxName } from '../../convert/text/names.js';
import {
  requireAbsolutePath,
  requireContainerConfig,
  requireSandboxConfig,
  requireShortText,
} from '../../convert/text/validate.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import type { RestorePodRequest__Output } from '../../gen/runtime/v1/RestorePodRequest.js';
import type { RestorePodResponse } from '../../gen/runtime/v1/RestorePodResponse.js';
import type { RestoredContainer } from '../../gen/runtime/v1/RestoredContainer.js';
import { findImage } from '../../images/lookup.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, invalidArgument, messageOf } from '../../util/cri-error.js';
import { readAtMost } from '../../util/read-at-most.js';
import { createContainer } from '../container/create.js';
import { removeContainer } from '../container/remove.js';
import { requireRestores } from '../container/restore-source.js';
import type { CriDeps } from '../deps.js';
import { containerOrThrow } from '../lookup.js';
import { refuseOptions } from './checkpoint.js';
import { removePodSandbox } from './remove.js';
import { runPodSandbox } from './run.js';

const FIELD = 'checkpoint_path';
const MAX_MANIFEST_BYTES = 64 << 20;
/** As for a sandbox that could not be made: the caller's own deadline may be what failed. */
const CLEAN_UP_TIMEOUT_MS = 60_000;

/** A container that is to be restored. */
interface Member {
  readonly config: ContainerConfig__Output;
  readonly was: CheckpointedMember;
  readonly archive: string;
}

/**
 * Makes a pod from what CheckpointPod wrote (CRI: RestorePod). Its containers are CREATED: StartContainer restores their processes.
 * After an error nothing is left that the call has made. The same request again answers what an earlier one made.
 * FAILED_PRECONDITION where restores are not switched on, or what is asked for is not what was checkpointed.
 */
export async function restorePod(
  deps: CriDeps,
  request: RestorePodRequest__Output,
  ctx: CallContext,
): Promise<RestorePodResponse> {
  requireRestores(deps.settings, FIELD);
  refuseOptions(request.options);
  const { config, metadata } = requireSandboxConfig(request.config);
  const folder = join(requireAbsolutePath(FIELD, request.checkpoint_path), POD_FOLDER);
  const manifest = await readManifest(join(folder, POD_MANIFEST));
  if (manifest.runtimeHandler !== request.runtime_handler) {
    const message = `runtime_handler: the pod was checkpointed with "${manifest.runtimeHandler}"`;
    throw new CriError(Code.FAILED_PRECONDITION, message);
  }
  const members = membersOf(request.container_configs, manifest, folder);
  for (const member of members) await checkImage(deps, member, ctx.signal);
  const name = sandboxName(metadata);
  const make = (): Promise<RestorePodResponse> => makePod(deps, request, { config, name, members }, ctx);
  return deps.podRestores.run(name, make, ctx.signal);
}

interface PodPlan {
  readonly config: PodSandboxConfig__Output;
  /** On the node. */
  readonly name: string;
  readonly members: readonly Member[];
}

async function makePod(
  deps: CriDeps,
  { runtime_handler }: RestorePodRequest__Output,
  { config, name, members }: PodPlan,
  ctx: CallContext,
): Promise<RestorePodResponse> {
  const isNew = (await deps.mirror.current(ctx.signal)).named(name) === undefined;
  const { pod_sandbox_id: id = '' } = await runPodSandbox(deps, { config, runtime_handler }, ctx);
  const before = new Set((await deps.mirror.current(ctx.signal)).membersOf(id).map((member) => member.id));
  try {
    const restored_containers: RestoredContainer[] = [];
    for (const member of members) {
      restored_containers.push(await createMember(deps, id, config, member, ctx));
    }
    return { pod_sandbox_id: id, restored_containers };
  } catch (error) {
    await clearAway(deps, id, isNew ? undefined : before, ctx, error);
    throw error;
  }
}

async function createMember(
  deps: CriDeps,
  sandboxId: string,
  sandboxConfig: PodSandboxConfig__Output,
  { config, was, archive }: Member,
  ctx: CallContext,
): Promise<RestoredContainer> {
  const { image } = requireContainerConfig(config);
  const restored = { ...config, image: { ...image, image: archive } };
  const request = { pod_sandbox_id: sandboxId, config: restored, sandbox_config: sandboxConfig };
  const { container_id = '' } = await createContainer(deps, request, ctx);
  const { inspect } = containerOrThrow(await deps.mirror.current(ctx.signal), container_id);
  const difference = differenceOf(programOf(inspect), was);
  if (difference === undefined) return { name: was.name, container_id };
  const message = `container_configs: ${difference} of ${was.name} is not what it was checkpointed with`;
  throw new CriError(Code.FAILED_PRECONDITION, message);
}

/** Removes the pod, or where it was there before, what of it was not (`before`). What cannot be removed is logged. */
async function clearAway(
  deps: CriDeps,
  sandboxId: string,
  before: ReadonlySet<string> | undefined,
  ctx: CallContext,
  cause: unknown,
): Promise<void> {
  const own = { ...ctx, signal: AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS) };
  try {
    if (before === undefined) {
      await removePodSandbox(deps, { pod_sandbox_id: sandboxId }, own);
      return;
    }
    const members = (await deps.mirror.current(own.signal)).membersOf(sandboxId);
    for (const { id } of members) {
      if (!before.has(id)) await removeContainer(deps, { container_id: id }, own);
    }
  } catch (error) {
    deps.log.warn('could not clear away a pod that was not restored', {
      sandboxId,
      cause: messageOf(cause),
      error: messageOf(error),
    });
  }
}

async function readManifest(path: string): Promise<PodManifest> {
  try {
    return readPodManifest(await readAtMost(path, MAX_MANIFEST_BYTES));
  } catch (error) {
    throw invalidArgument(FIELD, `is no checkpoint of a pod: ${messageOf(error)}`, { cause: error });
  }
}

/** The containers that are asked for must be those of the checkpoint, by their names. */
function membersOf(
  configs: readonly ContainerConfig__Output[],
  { containers }: PodManifest,
  folder: string,
): Member[] {
  const left = new Map(containers.map((was) => [was.name, was]));
  const members = configs.map((config, index) => {
    const field = `container_configs[${index}].metadata.name`;
    const name = requireShortText(field, config.metadata?.name ?? '');
    const was = left.get(name);
    if (was === undefined) throw invalidArgument(field, `there is no such container in the checkpoint`);
    left.delete(name);
    return { config, was, archive: join(folder, was.id + ARCHIVE_END) };
  });
  if (left.size === 0 && members.length > 0) return members;
  throw invalidArgument(
    'container_configs',
    `lacks containers of the checkpoint: ${[...left.keys()].join(', ')}`,
  );
}

async function checkImage(
  deps: Pick<CriDeps, 'images'>,
  { config, was }: Member,
  signal: AbortSignal,
): Promise<void> {
  const field = 'container_configs.image.image';
  const image = await findImage(deps.images, config.image?.image ?? '', field, signal);
  if (image?.Id === was.image) return;
  const problem = image === undefined ? 'is not here' : `is not what ${was.name} was checkpointed with`;
  const code = image === undefined ? Code.NOT_FOUND : Code.FAILED_PRECONDITION;
  throw new CriError(code, `${field}: "${config.image?.image ?? ''}" ${problem}`);
}
