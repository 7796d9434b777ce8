import {
  sandboxBody,
  sandboxSeccompProfilePath,
  type SandboxBody,
} from '../../convert/sandbox/sandbox-body.js';
import { SPEC_HASH, withSpecHash } from '../../convert/text/spec-hash.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import type { RunPodSandboxRequest__Output } from '../../gen/runtime/v1/RunPodSandboxRequest.js';
import type { RunPodSandboxResponse } from '../../gen/runtime/v1/RunPodSandboxResponse.js';
import type { NewNamespace } from '../../network/network.js';
import { checkpointOf } from '../../state/checkpoint-format.js';
import { isReady, ownFact, type SandboxRecord } from '../../state/records.js';
import type { CallContext } from '../../util/call-context.js';
import { allDone } from '../../util/concurrency.js';
import { Code, CriError, hasCode, invalidArgument, messageOf } from '../../util/cri-error.js';
import { checkProfiles } from '../container/checks.js';
import type { Progress } from '../../util/shared-calls.js';
import { startSandboxContainer } from '../companion/start.js';
import { companionUse } from '../companion/use.js';
import type { CriDeps } from '../deps.js';
import { pullShared, type PullDeps } from '../image/pull.js';
import { SECCOMP_FIELD, readSeccompProfile } from '../seccomp-profile.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import type { NriDeps } from '../nri/deps.js';
import { showPod, untilShown } from '../nri/tell-pods.js';
import { attachAhead, attachSandbox, networkPlan, takesNetworkAhead } from './network.js';
import { reclaimVanishedSandbox } from './reclaim.js';
import { removeSandbox, type RemoveSandboxDeps } from './remove.js';

/** What it takes to make a sandbox. */
export type RunSandboxDeps = Pick<
  CriDeps,
  | 'checkpoints'
  | 'companion'
  | 'engine'
  | 'log'
  | 'mirror'
  | 'network'
  | 'podLocks'
  | 'sandboxRuns'
  | 'seal'
  | 'settings'
> &
  RemoveSandboxDeps &
  NriDeps &
  PullDeps;

/** Clean-up after a failure is bounded by itself: the caller's own deadline may be what failed. */
const CLEAN_UP_TIMEOUT_MS = 60_000;

/**
 * Makes a pod sandbox and its network; answers when the pod is ready (CRI: RunPodSandbox). On failure nothing stays
 * behind. The same request again joins the one in flight, answers the sandbox that an earlier one made, or clears
 * away what an earlier one left half made.
 */
export async function runPodSandbox(
  deps: RunSandboxDeps,
  request: RunPodSandboxRequest__Output,
  ctx: CallContext,
): Promise<RunPodSandboxResponse> {
  const { config, runtime_handler: runtimeHandler } = request;
  if (config === null) throw invalidArgument('config', 'must be set');
  const { info } = await deps.mirror.currentFacts(ctx.signal);
  await checkRuntimeHandler(deps, 'runtime_handler', runtimeHandler, ctx.signal);
  await checkProfiles(config.linux?.security_context ?? null, info);
  const seccompPath = sandboxSeccompProfilePath(config);
  const { name, body, ...how } = sandboxBody(config, {
    networkAhead: deps.settings.networkAhead && takesNetworkAhead(deps.engine, info),
    companion: await companionUse(deps, info, runtimeHandler),
    image: deps.settings.podInfraContainerImage,
    runtimeHandler,
    podNetworkMode: deps.network.sandboxNetworkMode,
    cgroupDriver: info.CgroupDriver,
    minOomScoreAdj: deps.settings.minOomScoreAdj,
    seccompProfileText: seccompPath && (await readSeccompProfile(seccompPath, SECCOMP_FIELD)),
  });
  // It is the same pod, whoever starts it for its network's sake.
  const asked = { ...body, HostConfig: { ...body.HostConfig, Runtime: runtimeHandler || undefined } };
  const { body: whole, specHash } = withSpecHash(body, how.networkAhead ? asked : body);
  const plan: SandboxPlan = { ...how, name, config, body: deps.seal.onto(name, whole), specHash };
  const id = await deps.sandboxRuns.join(
    `${name} ${plan.specHash}`,
    (signal, progress) => {
      progress('waiting for another call for this pod');
      return deps.podLocks.run(name, () => makeSandbox(deps, plan, signal, progress), signal);
    },
    ctx.signal,
  );
  return { pod_sandbox_id: id };
}

interface SandboxPlan extends SandboxBody {
  readonly config: PodSandboxConfig__Output;
  readonly specHash: string;
}

async function makeSandbox(
  deps: RunSandboxDeps,
  plan: SandboxPlan,
  signal: AbortSignal,
  progress: Progress,
): Promise<string> {
  progress('looking for what an earlier call has left');
  const adopted = await adoptOrClear(deps, plan, signal);
  if (adopted !== undefined) return adopted;
  return untilShown(deps, plan.name, (show) => makeNewSandbox(deps, plan, signal, progress, show));
}

async function makeNewSandbox(
  deps: RunSandboxDeps,
  plan: SandboxPlan,
  signal: AbortSignal,
  progress: Progress,
  show: () => void,
): Promise<string> {
  const { started, isAttached } = await deps.mirror.during(plan.name, () =>
    startSandbox(deps, plan, signal, progress),
  );
  await orClearAway(deps, started.id, async () => {
    signal.throwIfAborted();
    if (!isAttached) {
      progress('attaching its network');
      await attachSandbox(deps, started, networkPlan(started.id, plan.config, plan.body), signal);
    }
    if (!isReady(started)) await deps.mirror.remake(started.id);
    const sandbox = await deps.mirror.reach(
      started.id,
      (record) => record.kind === 'sandbox' && isReady(record),
    );
    if (sandbox?.kind !== 'sandbox') throw vanished(started.id);
    if (!isReady(sandbox)) throw new CriError(Code.UNKNOWN, whyNotReady(sandbox));
    progress('telling NRI plugins of it');
    await showPod(deps, sandbox, show, signal);
  });
  return started.id;
}

/** A sandbox whose container runs. */
interface Started {
  readonly started: SandboxRecord;
  /** False where it has yet to be given a network. */
  readonly isAttached: boolean;
}

/** Makes the pause container and starts it; its network is set up meanwhile, where that can be. */
async function startSandbox(
  deps: RunSandboxDeps,
  plan: SandboxPlan,
  signal: AbortSignal,
  progress: Progress,
): Promise<Started> {
  progress('creating its container');
  const making = plan.networkAhead ? newNamespace(deps) : Promise.resolve(undefined);
  const id = await createSandbox(deps, plan, signal, progress).catch(async (error: unknown) => {
    (await making)?.letGo();
    throw error;
  });
  return orClearAway(deps, id, async () => {
    const namespace = await making;
    if (namespace === undefined) return startThenAttach(deps, id, plan, signal, progress);
    // It is held from here on, also for what clears away after a failure.
    return deps.podNamespaces.with(id, [namespace.path], async (path) => {
      namespace.letGo();
      return path === ''
        ? startThenAttach(deps, id, plan, signal, progress)
        : startAndAttach(deps, id, plan, path, signal, progress);
    });
  });
}

/** Where it cannot be had now, the pod gets its network after its start. */
async function newNamespace({
  network,
  log,
}: Pick<CriDeps, 'network' | 'log'>): Promise<NewNamespace | undefined> {
  try {
    return await network.newNamespace();
  } catch (error) {
    log.warn('no network namespace can be made ahead of a pod sandbox', { error: messageOf(error) });
    return undefined;
  }
}

async function startThenAttach(
  deps: RunSandboxDeps,
  id: string,
  plan: SandboxPlan,
  signal: AbortSignal,
  progress: Progress,
): Promise<Started> {
  signal.throwIfAborted();
  progress('starting its container');
  const isHostNetwork = plan.body.HostConfig.NetworkMode === 'host';
  // The disk takes the records meanwhile. None of this may be under way when the sandbox is cleared away.
  await allDone([
    startSandboxContainer(deps, id, plan),
    deps.checkpoints.write(id, checkpointOf(plan.config)),
    isHostNetwork ? Promise.resolve() : deps.network.prepare(networkPlan(id, plan.config, plan.body), signal),
  ]);
  return { started: await runningSandbox(deps, id), isAttached: isHostNetwork };
}

/** In a network namespace that the container's runtime joins. */
async function startAndAttach(
  deps: RunSandboxDeps,
  id: string,
  plan: SandboxPlan,
  netnsPath: string,
  signal: AbortSignal,
  progress: Progress,
): Promise<Started> {
  signal.throwIfAborted();
  progress('starting its container and attaching its network');
  const network = networkPlan(id, plan.config, plan.body);
  const start = { ...plan, networkNamespacePath: netnsPath };
  const running = startSandboxContainer(deps, id, start).then(() => runningSandbox(deps, id));
  // Nobody waits for plugins whose pod does not start.
  const noStart = new AbortController();
  running.catch((error: unknown) => noStart.abort(error));
  await allDone([
    running,
    deps.checkpoints.write(id, checkpointOf(plan.config)),
    attachAhead(deps, network, netnsPath, running, AbortSignal.any([signal, noStart.signal])),
  ]);
  return { started: await running, isAttached: true };
}

async function runningSandbox({ mirror }: Pick<CriDeps, 'mirror'>, id: string): Promise<SandboxRecord> {
  const started = await mirror.reach(id, ({ pid }) => pid !== 0);
  if (started?.kind !== 'sandbox') throw vanished(id);
  return started;
}

function whyNotReady({ id, status, problem }: SandboxRecord): string {
  const why = problem === undefined ? '' : `: ${problem.message}`;
  return status === 'running'
    ? `pod sandbox ${id} runs, but its addresses are not known${why}`
    : `pod sandbox ${id} is ${status} after its start${why}`;
}

/**
 * What an earlier call with the same metadata left: a ready sandbox of the same specification is the answer to this
 * call too; one that is not ready and has nothing in it is removed; anything else is somebody's pod.
 */
async function adoptOrClear(
  deps: RunSandboxDeps,
  plan: SandboxPlan,
  signal: AbortSignal,
): Promise<string | undefined> {
  const picture = await deps.mirror.current(signal);
  const existing = picture.named(plan.name);
  if (existing === undefined) return undefined;
  if (existing.kind === 'sandbox') {
    if (isReady(existing)) {
      if (ownFact(existing, SPEC_HASH) === plan.specHash) return existing.id;
    } else if (picture.membersOf(existing.id).length === 0) {
      deps.log.info('removing a pod sandbox that was left half made', { sandboxId: existing.id });
      await removeSandbox(deps, existing, signal);
      return undefined;
    }
  }
  throw new CriError(Code.ALREADY_EXISTS, `config.metadata: "${plan.name}" exists already as ${existing.id}`);
}

/** Creates the pause container, pulling its image first when the Engine lacks it. */
async function createSandbox(
  deps: RunSandboxDeps,
  plan: SandboxPlan,
  signal: AbortSignal,
  progress: Progress,
): Promise<string> {
  try {
    return await deps.engine.createContainer(plan.name, plan.body);
  } catch (error) {
    if (!hasCode(error, Code.NOT_FOUND)) throw error;
  }
  progress(`pulling its image ${plan.body.Image}`);
  await pullShared(deps, plan.body.Image, await deps.settings.sandboxImageAuth(), signal);
  return deps.engine.createContainer(plan.name, plan.body);
}

function vanished(id: string): CriError {
  return new CriError(Code.UNKNOWN, `pod sandbox ${id} vanished while it was being made`);
}

/** Does a part of the work; nothing half-made stays behind its failure. */
async function orClearAway<T>(deps: RunSandboxDeps, id: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await clearAway(deps, id, error);
    throw error;
  }
}

/** What cannot be cleared now is cleared by the next attempt or by a removal. */
async function clearAway(deps: RunSandboxDeps, id: string, cause: unknown): Promise<void> {
  const signal = AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS);
  try {
    const record = await deps.mirror.refresh(id);
    if (record?.kind === 'sandbox') await removeSandbox(deps, record, signal);
    else await reclaimVanishedSandbox(deps, id, signal);
  } catch (error) {
    deps.log.warn('could not clear away a pod sandbox that failed to start', {
      sandboxId: id,
      cause: messageOf(cause),
      error: messageOf(error),
    });
  }
}
