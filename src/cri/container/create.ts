import { cdiFolders, isCdiByEngine as byEngine } from '../../convert/container/devices.js';
import { posix } from 'node:path';
import { RESTORE_FIELD, type Restore } from '../../checkpoint/restores.js';
import { containerBody } from '../../convert/container/container-body.js';
import { canMountRecursiveReadOnly, hasSecurityOption } from '../../convert/engine-info.js';
import { emptiedLabels } from '../../convert/image/copied-config.js';
import { imageIdentity } from '../../convert/image/image-identity.js';
import { CRI_LOG_MODE, LOG_MODE, logConfig } from '../../convert/container/log-config.js';
import { containerLogPath } from '../../convert/container/log-path.js';
import { localSeccompProfilePath } from '../../convert/security/security.js';
import { containerName } from '../../convert/text/names.js';
import { SPEC_HASH, withSpecHash } from '../../convert/text/spec-hash.js';
import { checkProgram, requireContainerConfig } from '../../convert/text/validate.js';
import type { ContainerCreateBody, ImageInspect } from '../../docker/types.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import { ContainerState } from '../../gen/runtime/v1/ContainerState.js';
import type { CreateContainerRequest__Output } from '../../gen/runtime/v1/CreateContainerRequest.js';
import type { CreateContainerResponse } from '../../gen/runtime/v1/CreateContainerResponse.js';
import { NamespaceMode } from '../../gen/runtime/v1/NamespaceMode.js';
import { IMAGE_NAME, IMAGE_REF } from '../../images/names.js';
import type { Picture } from '../../state/picture.js';
import { isAlive, ownFact, type SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { Code, CriError, hasCode } from '../../util/cri-error.js';
import { checkOnNode, makeMountSources } from './checks.js';
import { userNamespaceOf } from '../../state/adjustments.js';
import { archiveSource, imageSource } from './restore-source.js';
import { companionUse } from '../companion/use.js';
import { adjustableBody, judgedBody } from '../../convert/nri/adjustable.js';
import type { CriDeps } from '../deps.js';
import { isHalfMade, removeHalfMade, type AdjustDeps } from '../nri/adjust-container.js';
import { createWithPlugins, tellCreated, type PluginsAsked } from '../nri/create-container.js';
import { findImage } from '../../images/lookup.js';
import { resolveMounts, type ResolvedMounts, type ImageMountDeps } from './image-mounts.js';
import { sweepImageVolumes } from '../../images/volumes.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import { readySandboxOrThrow } from '../lookup.js';
import { SECCOMP_FIELD, readSeccompProfile } from '../seccomp-profile.js';

/** What it takes to create a container. */
export type CreateContainerDeps = Pick<
  CriDeps,
  | 'companion'
  | 'containerCreates'
  | 'engine'
  | 'hostPaths'
  | 'imageAccounts'
  | 'imageVolumes'
  | 'images'
  | 'log'
  | 'mirror'
  | 'podLocks'
  | 'restores'
  | 'seal'
  | 'settings'
> &
  AdjustDeps &
  ImageMountDeps;

/**
 * Creates a container in a ready sandbox, without starting it (CRI: CreateContainer). The same request again joins the
 * one in flight or answers the container that an earlier one created. The Engine finishes what it was asked
 * even when the caller gives up: a retry then finds the container, however slow the disk is.
 */
export async function createContainer(
  deps: CreateContainerDeps,
  request: CreateContainerRequest__Output,
  ctx: CallContext,
): Promise<CreateContainerResponse> {
  const picture = await deps.mirror.live(ctx.signal);
  const { config: asked, image, metadata } = requireContainerConfig(request.config);
  const sandbox = readySandboxOrThrow(picture, request.pod_sandbox_id);
  await checkRuntimeHandler(deps, 'config.image.runtime_handler', image.runtime_handler, ctx.signal);
  const mounts = await resolveMounts(deps, asked.mounts, ctx.signal);
  const archive = archiveSource(deps, image.image);
  const inspect = archive === undefined ? await imageOf(deps, image.image, ctx.signal) : undefined;
  const source = inspect === undefined ? archive : await imageSource(deps, inspect);
  if (inspect === undefined && source === undefined) {
    throw new CriError(Code.NOT_FOUND, `config.image.image: no image "${image.image}" here`);
  }
  const logDirectory = request.sandbox_config?.log_directory || sandbox.facts.logDirectory;
  const make = async (of: ContainerOrigin): Promise<CreateContainerResponse> => {
    const plan = await planContainer(deps, picture, sandbox, asked, mounts, of, logDirectory);
    const id = await deps.containerCreates.join(
      `${plan.name} ${plan.specHash}`,
      (signal) => deps.podLocks.run(sandbox.name, () => makeContainer(deps, sandbox, plan, signal)),
      ctx.signal,
    );
    return { container_id: id };
  };
  if (source === undefined) return make({ image: inspect as ImageInspect });
  const name = containerName(metadata, sandbox.identity);
  return deps.restores.prepared(source, name, ctx.signal, async (restore) =>
    make(await restoredOrigin(deps, asked, restore, ctx.signal)),
  );
}

/** What a container is made of: an image, and for one that is restored the checkpoint. */
interface ContainerOrigin {
  readonly image: ImageInspect;
  readonly restore?: Restore;
}

/**
 * The image that the checkpoint's container was made of, which must be here: an archive makes nothing be pulled. What is mounted
 * comes from the request alone; where something of the checkpoint's is not, it could not be restored.
 */
async function restoredOrigin(
  deps: Pick<CriDeps, 'images'>,
  { mounts }: ContainerConfig__Output,
  restore: Restore,
  signal: AbortSignal,
): Promise<ContainerOrigin> {
  const { images, mounts: expected, hasUserNamespace } = restore.origin;
  if (hasUserNamespace) {
    const message = `${RESTORE_FIELD}: the checkpoint is of a container in a user namespace, which is not restored`;
    throw new CriError(Code.FAILED_PRECONDITION, message);
  }
  const given = new Set(mounts.map(({ container_path: path }) => posix.normalize(path).replace(/\/$/, '')));
  const missing = expected.filter((path) => !given.has(path));
  if (missing.length > 0) {
    const message = `config.mounts: the checkpoint expects mounts at ${missing.slice(0, 10).join(', ')}`;
    throw new CriError(Code.FAILED_PRECONDITION, message);
  }
  for (const name of images) {
    const image = await findImage(deps.images, name, RESTORE_FIELD, signal);
    if (image !== undefined) return { image, restore };
  }
  const message = `${RESTORE_FIELD}: the image that the checkpoint was made of is not here: ${images.join(', ')}`;
  throw new CriError(Code.NOT_FOUND, message);
}

const FULL_ID = /^sha256:[0-9a-f]{64}$/;

/** The kubelet names images by their ids: those are known, any other reference is looked up. */
async function imageOf(
  deps: Pick<CriDeps, 'engine' | 'images'>,
  reference: string,
  signal: AbortSignal,
): Promise<ImageInspect | undefined> {
  const known = FULL_ID.test(reference) ? await deps.images.byId(reference, signal) : undefined;
  return known ?? findImage(deps.images, reference, 'config.image.image', signal);
}

interface ContainerPlan {
  readonly name: string;
  /** Without its seal. */
  readonly body: ContainerCreateBody;
  readonly specHash: string;
  readonly imagesToMount: readonly string[];
  /** Of the image's labels; they are no part of the seal. */
  readonly emptiedLabels: Readonly<Record<string, string>>;
}

async function planContainer(
  deps: CreateContainerDeps,
  picture: Picture,
  sandbox: SandboxRecord,
  asked: ContainerConfig__Output,
  { mounts, imageFiles, imagesToMount }: ResolvedMounts,
  { image, restore }: ContainerOrigin,
  logDirectory: string,
): Promise<ContainerPlan> {
  const config = { ...asked, mounts };
  checkProgram('config: the program', programOf(config, image));
  const { info } = await deps.mirror.currentFacts();
  const security = config.linux?.security_context ?? null;
  const seccompPath = localSeccompProfilePath(security);
  const named = imageIdentity(
    restore?.origin.imageName || config.image?.user_specified_image || (config.image?.image ?? ''),
    image.Id,
    image,
  );
  const emptied = emptiedLabels('config.image.image', named.name, image);
  const supports = (apiVersion: string): boolean => deps.engine.supports(apiVersion);
  const companion = await companionUse(deps, info, sandbox.facts.runtimeHandler);
  const userNamespace = userNamespaceOf(sandbox);
  const isCdiByEngine = byEngine(info, supports, companion.runtime !== undefined);
  await checkOnNode(deps.hostPaths, config, info, {
    isByEngine: isCdiByEngine,
    folders: cdiFolders(info),
    companion,
    userNamespace,
  });
  const { name, body } = containerBody(config, {
    sandbox,
    userNamespace,
    companion,
    isCdiByEngine,
    restore: restore?.name,
    imageId: image.Id,
    logPath: containerLogPath(logDirectory, config.log_path),
    targetContainerId: pidTarget(picture, sandbox, config),
    seccompProfileText: seccompPath && (await readSeccompProfile(seccompPath, SECCOMP_FIELD)),
    imageUsers: { user: image.Config?.User ?? '', accounts: await deps.imageAccounts.of(image.Id) },
    own: {
      [IMAGE_NAME]: named.name,
      [IMAGE_REF]: named.ref,
      ...(deps.settings.containerLogs.mode === 'cri' && { [LOG_MODE]: CRI_LOG_MODE }),
    },
    logConfig: logConfig(deps.settings.containerLogs, supports, info.Plugins?.Log ?? undefined),
    supports,
    recursiveReadOnly: canMountRecursiveReadOnly(info, sandbox.facts.runtimeHandler || info.DefaultRuntime),
    imageFiles,
    cgroupVersion: info.CgroupVersion === '2' ? 2 : 1,
    hasSelinux: hasSecurityOption(info, 'selinux'),
    minOomScoreAdj: deps.settings.minOomScoreAdj,
  });
  await makeMountSources(deps.hostPaths, mounts);
  const { body: whole, specHash } = withSpecHash(body);
  return { name, imagesToMount, body: whole, specHash, emptiedLabels: emptied };
}

/** What the container will run first, by Docker's rules: a command takes the place of all that the image says. */
function programOf(
  { command, args }: ContainerConfig__Output,
  { Config: image }: ImageInspect,
): string | undefined {
  const entrypoint = command.length > 0 ? command : (image?.Entrypoint ?? []);
  return [...entrypoint, ...(args.length > 0 ? args : (image?.Cmd ?? []))][0];
}

/** The container whose PID namespace is asked for: it must run, and in the same pod. */
function pidTarget(
  picture: Picture,
  sandbox: SandboxRecord,
  config: ContainerConfig__Output,
): string | undefined {
  const options = config.linux?.security_context?.namespace_options;
  if (options?.pid !== NamespaceMode.TARGET) return undefined;
  const target = picture.containers.resolve(
    options.target_id,
    'config.linux.security_context.namespace_options.target_id',
  );
  return target !== undefined && target.sandboxId === sandbox.id && isAlive(target) ? target.id : undefined;
}

/** Under the pod's lock. The signal ends the wait for plugins that are coming, and nothing that has begun. */
async function makeContainer(
  deps: CreateContainerDeps,
  sandbox: SandboxRecord,
  plan: ContainerPlan,
  signal: AbortSignal,
): Promise<string> {
  const picture = await deps.mirror.live();
  readySandboxOrThrow(picture, sandbox.id); // it may have been stopped while this call waited
  const left = picture.named(plan.name);
  if (left !== undefined && isHalfMade(deps, left)) await removeHalfMade(deps, left);
  const made = madeBefore(picture, plan);
  if (made !== undefined) return made;
  const make = async (asked: PluginsAsked | undefined): Promise<string> => {
    const now =
      asked === undefined ? plan : { ...plan, body: await askedBody(deps, sandbox, plan.body, asked) };
    return now.imagesToMount.length === 0 ? create(deps, now) : createWithImages(deps, now);
  };
  const id = await createWithPlugins(deps, plan.name, make, signal);
  await tellCreated(deps, id);
  return id;
}

/** That of a container that plugins are asked about. */
async function askedBody(
  deps: CreateContainerDeps,
  sandbox: SandboxRecord,
  body: ContainerCreateBody,
  { mayAdjust }: PluginsAsked,
): Promise<ContainerCreateBody> {
  if (!mayAdjust) return judgedBody(body);
  const { info } = await deps.mirror.currentFacts();
  return adjustableBody(body, await companionUse(deps, info, sandbox.facts.runtimeHandler));
}

async function create(deps: CreateContainerDeps, plan: ContainerPlan): Promise<string> {
  try {
    const body = deps.seal.onto(plan.name, plan.body);
    const labels = { ...plan.emptiedLabels, ...body.Labels };
    const id = await deps.engine.createContainer(plan.name, { ...body, Labels: labels });
    deps.mirror.expect(id);
    return id;
  } catch (error) {
    // The image may be gone since it was last looked at.
    if (hasCode(error, Code.NOT_FOUND)) deps.images.forget();
    // What was made a moment ago may be missing in the live picture.
    const own = hasCode(error, Code.ALREADY_EXISTS) && madeBefore(await deps.mirror.current(), plan);
    if (own) return own;
    throw error;
  }
}

async function createWithImages(deps: CreateContainerDeps, plan: ContainerPlan): Promise<string> {
  try {
    return await deps.imageVolumes.mountedFor(plan.imagesToMount, () => create(deps, plan));
  } catch (error) {
    await sweepImageVolumes(deps);
    throw error;
  }
}

/** The id of the same container, not started yet, that an earlier call made. ALREADY_EXISTS for any other of its name. */
function madeBefore(picture: Picture, { name, specHash }: ContainerPlan): string | undefined {
  const existing = picture.named(name);
  if (existing === undefined) return undefined;
  const isCreated =
    existing.kind === 'container' && existing.phase.state === ContainerState.CONTAINER_CREATED;
  if (isCreated && ownFact(existing, SPEC_HASH) === specHash) return existing.id;
  throw new CriError(Code.ALREADY_EXISTS, `config.metadata: "${name}" exists already as ${existing.id}`);
}
