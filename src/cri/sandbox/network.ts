import { podPortMappings } from '../../convert/sandbox/port-mappings.js';
import { userMapping } from '../../convert/engine-info.js';
import type { ContainerCreateBody, EngineInfo } from '../../docker/types.js';
import type { DNSConfig__Output } from '../../gen/runtime/v1/DNSConfig.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import { isLoopbackUp } from '../../network/loopback.js';
import type { PodDetachRequest, PodDns, PodNetworkPlan } from '../../network/network.js';
import { isNamespace } from '../../node/held-namespace.js';
import { isHostNetwork, isReady, type SandboxRecord } from '../../state/records.js';
import { messageOf } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** What it takes to take a sandbox's network away. */
export type DetachDeps = Pick<CriDeps, 'checkpoints' | 'network'>;

/** Gives a started sandbox the network that was prepared for it. */
export async function attachSandbox(
  deps: Pick<CriDeps, 'network'>,
  sandbox: SandboxRecord,
  plan: PodNetworkPlan,
  signal: AbortSignal,
): Promise<void> {
  const netnsPath = await reachableNetns(sandbox);
  await deps.network.setUp({ ...plan, netnsPath, loopbackUp: isLoopbackUp(sandbox.pid) }, signal);
}

/** Engines before 27 switch IPv6 off in each network namespace that a container starts in, which takes addresses away. */
const AHEAD_API_VERSION = '1.46';

/** Whether the Engine leaves a network be that a container is started in, and may have its containers in a namespace of the node's. */
export function takesNetworkAhead(engine: Pick<CriDeps['engine'], 'supports'>, info: EngineInfo): boolean {
  return engine.supports(AHEAD_API_VERSION) && userMapping(info) === undefined;
}

/**
 * Gives a sandbox its network in a namespace that its container is yet to join, while that starts. What is recorded waits for the
 * container to run: the namespace is known by its process then. Where it does not start, nothing stays attached.
 */
export async function attachAhead(
  deps: Pick<CriDeps, 'network'>,
  plan: PodNetworkPlan,
  netnsPath: string,
  running: Promise<SandboxRecord>,
  signal: AbortSignal,
): Promise<void> {
  const lastingNetnsPath = async (): Promise<string> => reachableNetns(await running);
  await deps.network.setUp({ ...plan, netnsPath, loopbackUp: true, lastingNetnsPath }, signal);
}

/** What the network is to know of a sandbox that is being made. */
export function networkPlan(
  sandboxId: string,
  config: PodSandboxConfig__Output,
  { HostConfig: { CgroupParent } }: ContainerCreateBody,
): PodNetworkPlan {
  return {
    sandboxId,
    podName: config.metadata?.name ?? '',
    podNamespace: config.metadata?.namespace ?? '',
    podUid: config.metadata?.uid ?? '',
    annotations: config.annotations,
    cgroupParent: CgroupParent ?? '',
    portMappings: podPortMappings(config.port_mappings),
    ...(config.dns_config !== null && { dns: podDns(config.dns_config) }),
  };
}

/**
 * Takes the network of a sandbox away, with what was recorded when it was attached; repeats are harmless.
 *
 * @param netnsPath leads to its namespace for as long as this takes; '' when that is gone
 */
export async function detachSandbox(
  deps: DetachDeps,
  sandbox: SandboxRecord,
  netnsPath: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (isHostNetwork(sandbox)) return;
  const { name, namespace, uid } = sandbox.identity;
  const request: PodDetachRequest = {
    sandboxId: sandbox.id,
    podName: name,
    podNamespace: namespace,
    podUid: uid,
    annotations: sandbox.labels.annotations,
    cgroupParent: sandbox.inspect.HostConfig.CgroupParent ?? '',
    portMappings: async () => (await deps.checkpoints.read(sandbox.id))?.portMappings ?? [],
    netnsPath,
  };
  await deps.network.tearDown(request, signal);
}

/** What is wrong with the network of a sandbox that is ready; '' for nothing. Throws when the signal aborts. */
export async function networkProblem(
  deps: Pick<CriDeps, 'network'>,
  sandbox: SandboxRecord,
  signal: AbortSignal,
): Promise<string> {
  if (isHostNetwork(sandbox) || !isReady(sandbox)) return '';
  try {
    await deps.network.check(sandbox.id, await reachableNetns(sandbox), signal);
    return '';
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

function podDns({ servers, searches, options }: DNSConfig__Output): PodDns {
  return { servers, searches, options };
}

/**
 * Where the sandbox's network namespace is to be found. Docker's own handle on it cannot be mistaken for another's, but it is out
 * of sight when dockerd has a mount namespace of its own; then the pause process leads there. None when it is gone.
 */
export function netnsPaths({ netnsPath, pid }: SandboxRecord): string[] {
  return pid === 0 ? [] : [netnsPath, `/proc/${pid}/ns/net`];
}

/** The first of them that is a namespace, '' when none is. */
async function reachableNetns(sandbox: SandboxRecord): Promise<string> {
  for (const path of netnsPaths(sandbox)) if (await isNamespace(path)) return path;
  return '';
}
