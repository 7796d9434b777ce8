import { userNamespaceMessage } from '../../convert/security/user-namespace.js';
import type { PodSandbox } from '../../gen/runtime/v1/PodSandbox.js';
import { PodSandboxState } from '../../gen/runtime/v1/PodSandboxState.js';
import type { PodSandboxStats } from '../../gen/runtime/v1/PodSandboxStats.js';
import type { PodSandboxStatus } from '../../gen/runtime/v1/PodSandboxStatus.js';
import { toldAdjustments } from '../../state/adjustments.js';
import { isReady, type SandboxRecord } from '../../state/records.js';

/** The record in CRI's words. */
export function sandboxStatusOf(sandbox: SandboxRecord): PodSandboxStatus {
  const [ip = '', ...others] = sandbox.ips ?? [];
  const { network, pid, ipc } = sandbox.facts;
  const { userNamespace } = toldAdjustments(sandbox);
  const userns = userNamespace && { userns_options: userNamespaceMessage(userNamespace) };
  return {
    id: sandbox.id,
    metadata: sandbox.identity,
    state: sandboxState(sandbox),
    created_at: String(sandbox.createdAtNs),
    // A pod in the host's network has no address of its own: the kubelet knows the node's.
    network: { ip, additional_ips: others.map((other) => ({ ip: other })) },
    linux: { namespaces: { options: { network, pid, ipc, ...userns } } },
    labels: sandbox.labels.labels,
    annotations: sandbox.labels.annotations,
    runtime_handler: sandbox.facts.runtimeHandler,
  };
}

/** One entry of the list. */
export function sandboxEntry(sandbox: SandboxRecord): PodSandbox {
  return {
    id: sandbox.id,
    metadata: sandbox.identity,
    state: sandboxState(sandbox),
    created_at: String(sandbox.createdAtNs),
    labels: sandbox.labels.labels,
    annotations: sandbox.labels.annotations,
    runtime_handler: sandbox.facts.runtimeHandler,
  };
}
export function sandboxState(sandbox: SandboxRecord): PodSandboxState {
  return isReady(sandbox) ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
}

/** The entry with nothing but what tells whose it is. */
export function sandboxAttributes({ id, identity, labels }: SandboxRecord): PodSandboxStats {
  return { attributes: { id, metadata: identity, labels: labels.labels, annotations: labels.annotations } };
}
