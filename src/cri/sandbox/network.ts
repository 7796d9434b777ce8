import { podPortMappings } from '../../convert/sandbox/port-mappings.js';
import type { DNSConfig__Output } from '../../gen/runtime/v1/DNSConfig.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import { isLoopbackUp } from '../../network/loopback.js';
import type { PodDns, PodNetworkRequest } from '../../network/network.js';
import { isNamespace } from '../../node/held-namespace.js';
import { isHostNetwork, isReady, type SandboxRecord } from '../../state/records.js';
import { messageOf } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';

/** What it takes to take a sandbox's network away. */
export type DetachDeps = Pick<CriDeps, 'checkpoints' | 'network'>;

/** Gives a started sandbox its network. Nothing to do in the host's network. */
export async function attachSandbox(
  deps: Pick<CriDeps, 'network'>,
  sandbox: SandboxRecord,
  config: PodSandboxConfig__Output,
  signal: AbortSignal,
): Promise<void> {
  if (isHostNetwork(sandbox)) return;
  const request: PodNetworkRequest = {
    ...podNames(sandbox),
    portMappings: podPortMappings(config.port_mappings),
    ...(config.dns_config !== null && { dns: podDns(config.dns_config) }),
    netnsPath: await reachableNetns(sandbox),
    loopbackUp: await isLoopbackUp(sandbox.pid),
  };
  await deps.network.setUp(request, signal);
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
  const checkpoint = await deps.checkpoints.read(sandbox.id);
  const request: PodNetworkRequest = {
    ...podNames(sandbox),
    portMappings: checkpoint?.portMappings ?? [],
    netnsPath,
    loopbackUp: true,
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

/** The sandbox as plugins see it, but for its namespace and ports. */
function podNames(
  sandbox: SandboxRecord,
): Omit<PodNetworkRequest, 'portMappings' | 'netnsPath' | 'loopbackUp'> {
  const { name, namespace, uid } = sandbox.identity;
  return {
    sandboxId: sandbox.id,
    podName: name,
    podNamespace: namespace,
    podUid: uid,
    annotations: sandbox.labels.annotations,
    cgroupParent: sandbox.inspect.HostConfig.CgroupParent ?? '',
  };
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
