import type { RuntimeHandlers } from '../util/handler.js';
import { attach } from './streaming/attach.js';
import { checkpointContainer } from './container/checkpoint.js';
import { createContainer } from './container/create.js';
import { listContainers } from './container/list.js';
import { removeContainer } from './container/remove.js';
import { reopenContainerLog } from './container/reopen-log.js';
import { startContainer } from './container/start.js';
import { containerStats, listContainerStats } from './container/stats.js';
import { containerStatus } from './container/status.js';
import { stopContainer } from './container/stop.js';
import { updateContainerResources } from './container/update-resources.js';
import type { CriDeps } from './deps.js';
import { execSync } from './container/exec-sync.js';
import { exec } from './streaming/exec.js';
import { portForward } from './streaming/port-forward.js';
import { listMetricDescriptors } from './runtime/metric-descriptors.js';
import { runtimeConfig, updateRuntimeConfig } from './runtime/config.js';
import { runtimeStatus } from './runtime/status.js';
import { checkpointPod } from './sandbox/checkpoint.js';
import { restorePod } from './sandbox/restore.js';
import { listPodSandbox } from './sandbox/list.js';
import { listPodSandboxMetrics } from './sandbox/metrics.js';
import { removePodSandbox } from './sandbox/remove.js';
import { runPodSandbox } from './sandbox/run.js';
import { listPodSandboxStats, podSandboxStats } from './sandbox/stats.js';
import { updatePodSandboxResources } from './sandbox/update-resources.js';
import { podSandboxStatus } from './sandbox/status.js';
import { stopPodSandbox } from './sandbox/stop.js';
import { version } from './runtime/version.js';

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
    CheckpointPod: (request, ctx) => checkpointPod(deps, request, ctx),
    RestorePod: (request, ctx) => restorePod(deps, request, ctx),
    ListPodSandbox: (request, ctx) => listPodSandbox(deps, request, ctx),

    CreateContainer: (request, ctx) => createContainer(deps, request, ctx),
    StartContainer: (request, ctx) => startContainer(deps, request, ctx),
    StopContainer: (request, ctx) => stopContainer(deps, request, ctx),
    RemoveContainer: (request, ctx) => removeContainer(deps, request, ctx),
    ListContainers: (request, ctx) => listContainers(deps, request, ctx),
    ContainerStatus: (request, ctx) => containerStatus(deps, request, ctx),
    UpdateContainerResources: (request, ctx) => updateContainerResources(deps, request, ctx),
    CheckpointContainer: (request, ctx) => checkpointContainer(deps, request, ctx),
    ReopenContainerLog: (request, ctx) => reopenContainerLog(deps, request, ctx),

    ExecSync: (request, ctx) => execSync(deps, request, ctx),
    Exec: (request, ctx) => exec(deps, request, ctx),
    Attach: (request, ctx) => attach(deps, request, ctx),
    PortForward: (request, ctx) => portForward(deps, request, ctx),
    ContainerStats: (request, ctx) => containerStats(deps, request, ctx),
    ListContainerStats: (request, ctx) => listContainerStats(deps, request, ctx),
    PodSandboxStats: (request, ctx) => podSandboxStats(deps, request, ctx),
    ListPodSandboxStats: (request, ctx) => listPodSandboxStats(deps, request, ctx),
    ListMetricDescriptors: () => listMetricDescriptors(),
    ListPodSandboxMetrics: (_request, ctx) => listPodSandboxMetrics(deps, ctx),
  };
}
