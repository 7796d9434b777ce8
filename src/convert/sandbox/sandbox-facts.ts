import type { HostConfig } from '../../docker/types.js';
import { NamespaceMode } from '../../gen/runtime/v1/NamespaceMode.js';
import type { NamespaceMode__Output } from '../../gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import type { LabelFacts } from '../text/labels.js';

/** What a sandbox was asked to be, as far as later calls need it. */
export interface SandboxFacts {
  /** As in RunPodSandboxRequest; '' for the default one. */
  runtimeHandler: string;
  /** `log_directory` of its config; '' for none. */
  logDirectory: string;
  /** True when privileged containers may be made in it. */
  privileged: boolean;
  network: NamespaceMode__Output;
  pid: NamespaceMode__Output;
  ipc: NamespaceMode__Output;
}

const RUNTIME_HANDLER = 'runtime-handler';
const LOG_DIRECTORY = 'log-directory';
const PRIVILEGED = 'privileged';
/** The pod's resources and overhead as JSON in CRI's words, where the request told any. */
export const POD_RESOURCES = 'pod-resources';
const PID_MODE = 'pid-mode';
const SHARED_PID = 'pod';

/** Those facts that Docker's record of the sandbox's container does not tell, as labels of cridock's own. */
export function sandboxOwnFacts(
  config: PodSandboxConfig__Output,
  runtimeHandler: string,
): Record<string, string> {
  const context = config.linux?.security_context;
  const pid = context?.namespace_options?.pid ?? NamespaceMode.POD;
  return {
    ...(runtimeHandler !== '' && { [RUNTIME_HANDLER]: runtimeHandler }),
    ...(config.log_directory !== '' && { [LOG_DIRECTORY]: config.log_directory }),
    ...(context?.privileged && { [PRIVILEGED]: 'true' }),
    ...(pid === NamespaceMode.POD && { [PID_MODE]: SHARED_PID }),
    ...podResources(config),
  };
}

function podResources({ linux }: PodSandboxConfig__Output): Record<string, string> {
  const { overhead = null, resources = null } = linux ?? {};
  if (overhead === null && resources === null) return {};
  return {
    [POD_RESOURCES]: JSON.stringify({ ...(overhead && { overhead }), ...(resources && { resources }) }),
  };
}

/**
 * Reads the facts of a sandbox back. For one that cri-dockerd made they come from Docker's record as far as it goes:
 * the handler counts as the default one, the PID namespace as not shared, and the log directory is unknown.
 */
export function sandboxFacts({ own }: LabelFacts, hostConfig: HostConfig): SandboxFacts {
  const ownPidMode = own[PID_MODE] === SHARED_PID ? NamespaceMode.POD : NamespaceMode.CONTAINER;
  return {
    runtimeHandler: own[RUNTIME_HANDLER] ?? '',
    logDirectory: own[LOG_DIRECTORY] ?? '',
    privileged: own[PRIVILEGED] === 'true' || hostConfig.Privileged === true,
    network: hostConfig.NetworkMode === 'host' ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: hostConfig.PidMode === 'host' ? NamespaceMode.NODE : ownPidMode,
    ipc: hostConfig.IpcMode === 'host' ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}
