import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import type { HostConfig } from '../../docker/types.js';
import { NamespaceMode } from '../../gen/runtime/v1/NamespaceMode.js';
import type { NamespaceOption__Output } from '../../gen/runtime/v1/NamespaceOption.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';

/** What a client that leaves `namespace_options` out asks for: every field at its zero value. */
const ALL_POD: NamespaceOption__Output = {
  network: NamespaceMode.POD,
  pid: NamespaceMode.POD,
  ipc: NamespaceMode.POD,
  target_id: '',
  userns_options: null,
};

const FIELD = 'config.linux.security_context.namespace_options';

/** True when the pod asks for the host's network. */
export function isHostNetwork(config: PodSandboxConfig__Output): boolean {
  return config.linux?.security_context?.namespace_options?.network === NamespaceMode.NODE;
}

/**
 * The namespaces of a sandbox's container. Members of the pod join its network and IPC, so IPC is shareable;
 * its PID namespace is its own unless it is the host's. INVALID_ARGUMENT for modes that mean nothing for a sandbox.
 */
export function sandboxNamespaces(
  options: NamespaceOption__Output | null,
  podNetworkMode: string,
): Pick<HostConfig, 'NetworkMode' | 'IpcMode' | 'PidMode'> {
  const { network, pid, ipc } = options ?? ALL_POD;
  checkMode('network', network, [NamespaceMode.POD, NamespaceMode.NODE]);
  checkMode('ipc', ipc, [NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.NODE]);
  checkMode('pid', pid, [NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.NODE]);
  return {
    NetworkMode: network === NamespaceMode.NODE ? 'host' : podNetworkMode,
    IpcMode: ipc === NamespaceMode.NODE ? 'host' : 'shareable',
    PidMode: pid === NamespaceMode.NODE ? 'host' : '',
  };
}

/** Where the namespaces that a container joins are. */
export interface NamespaceSources {
  sandboxId: string;
  /** True when the sandbox is in the host's network. */
  hostNetwork: boolean;
  /** Full id of the container that `target_id` names: running, and in the same pod. Only for PID mode TARGET. */
  targetContainerId: string | undefined;
}

/**
 * The namespaces of a container in a pod. Docker cannot join a container's UTS namespace: members have their own, with
 * the sandbox's hostname in it, or the host's in the host's network.
 */
export function containerNamespaces(
  options: NamespaceOption__Output | null,
  sources: NamespaceSources,
): Pick<HostConfig, 'NetworkMode' | 'IpcMode' | 'PidMode' | 'UTSMode'> {
  const { network, pid, ipc, target_id: targetId } = options ?? ALL_POD;
  checkMode('network', network, [NamespaceMode.POD, NamespaceMode.NODE]);
  if (pid === NamespaceMode.TARGET && targetId === '') {
    throw invalidArgument(`${FIELD}.target_id`, 'must be set for PID mode TARGET');
  }
  if (network === NamespaceMode.NODE && !sources.hostNetwork) {
    throw invalidArgument(`${FIELD}.network`, 'is NODE, but the pod sandbox has a network of its own');
  }
  const sandbox = `container:${sources.sandboxId}`;
  return {
    NetworkMode: sandbox,
    IpcMode: ipcMode(ipc, sandbox),
    PidMode: pidMode(pid, sandbox, sources.targetContainerId),
    UTSMode: sources.hostNetwork ? 'host' : '',
  };
}

function ipcMode(mode: NamespaceOption__Output['ipc'], sandbox: string): string {
  checkMode('ipc', mode, [NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.NODE]);
  if (mode === NamespaceMode.NODE) return 'host';
  return mode === NamespaceMode.CONTAINER ? 'private' : sandbox;
}

function pidMode(
  mode: NamespaceOption__Output['pid'],
  sandbox: string,
  targetId: string | undefined,
): string {
  switch (mode) {
    case NamespaceMode.POD:
      return sandbox;
    case NamespaceMode.CONTAINER:
      return '';
    case NamespaceMode.NODE:
      return 'host';
    case NamespaceMode.TARGET:
      if (targetId === undefined) {
        throw new CriError(
          Code.FAILED_PRECONDITION,
          `${FIELD}.target_id: is no running container of the pod`,
        );
      }
      return `container:${targetId}`;
    default:
      throw invalidArgument(`${FIELD}.pid`, 'is unknown');
  }
}

function checkMode(namespace: string, mode: number, allowed: number[]): void {
  if (!allowed.includes(mode))
    throw invalidArgument(`${FIELD}.${namespace}`, `mode ${mode} is not allowed here`);
}
