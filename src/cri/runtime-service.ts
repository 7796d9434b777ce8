import type { RuntimeHandlers } from '../util/handler.js';
import { createContainer } from './container-create.js';
import { listContainers } from './container-list.js';
import { removeContainer } from './container-remove.js';
import { startContainer } from './container-start.js';
import { containerStatus } from './container-status.js';
import { stopContainer } from './container-stop.js';
import { updateContainerResources } from './container-update-resources.js';
import type { CriDeps } from './deps.js';
import { runtimeConfig, updateRuntimeConfig } from './runtime-config.js';
import { runtimeStatus } from './runtime-status.js';
import { listPodSandbox } from './sandbox-list.js';
import { removePodSandbox } from './sandbox-remove.js';
import { runPodSandbox } from './sandbox-run.js';
import { updatePodSandboxResources } from './sandbox-update-resources.js';
import { podSandboxStatus } from './sandbox-status.js';
import { stopPodSandbox } from './sandbox-stop.js';
import { version } from './version.js';

/** Which function serves which RPC of RuntimeService. What is not here answers UNIMPLEMENTED. */
export function runtimeService(deps: CriDeps): RuntimeHandlers {
  return {
    Version: () => version(deps),
    Status: (request, ctx) => runtimeStatus(deps, request, ctx),
    RuntimeConfig: (_request, ctx) => runtimeConfig(deps, ctx),
    UpdateRuntimeConfig: (request) => updateRuntimeConfig(deps, request),

    RunPodSandbox: (request, ctx) => runPodSandbox(deps, request, ctx),
    StopPodSandbox: (request, ctx) => stopPodSandbox(deps, request, ctx),
    RemovePodSandbox: (request, ctx) => removePodSandbox(deps, request, ctx),
    PodSandboxStatus: (request, ctx) => podSandboxStatus(deps, request, ctx),
    UpdatePodSandboxResources: (request, ctx) => updatePodSandboxResources(deps, request, ctx),
    ListPodSandbox: (request, ctx) => listPodSandbox(deps, request, ctx),

    CreateContainer: (request, ctx) => createContainer(deps, request, ctx),
    StartContainer: (request, ctx) => startContainer(deps, request, ctx),
    StopContainer: (request, ctx) => stopContainer(deps, request, ctx),
    RemoveContainer: (request, ctx) => removeContainer(deps, request, ctx),
    ListContainers: (request, ctx) => listContainers(deps, request, ctx),
    ContainerStatus: (request, ctx) => containerStatus(deps, request, ctx),
    UpdateContainerResources: (request, ctx) => updateContainerResources(deps, request, ctx),
  };
}
