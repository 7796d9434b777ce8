import type { ContainerCreateBody, ContainerInspect, HostConfig } from '../../docker/types.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { LinuxContainerConfig__Output } from '../../gen/runtime/v1/LinuxContainerConfig.js';
import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';
import { NamespaceMode } from '../../gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxMetadata__Output } from '../../gen/runtime/v1/PodSandboxMetadata.js';
import { cdiDevices, cdiRequests, deviceMappings } from './devices.js';
import { environment } from './env.js';
import { imageVolumesFact } from './image-volume-mounts.js';
import { containerLabels } from '../text/labels.js';
import type { ImageFiles } from './mounts.js';
import { mountMembers } from './relabelled-binds.js';
import { NAME, containerName } from '../text/names.js';
import { containerNamespaces } from '../security/namespaces.js';
import { nodeLimitsFact } from '../limits/node-limits.js';
import { clampOomScoreAdj, requireOomScoreAdj } from '../limits/oom-score.js';
import { createResources } from '../limits/resources.js';
import type { SandboxFacts } from '../sandbox/sandbox-facts.js';
import { containerSecurity } from '../security/security.js';
import { checkSameUserNamespace } from '../security/user-namespace.js';
import { adjustmentsFact, type Adjustments } from '../companion/adjustments.js';
import { askedAdjustments, type CompanionUse } from '../companion/asked-adjustments.js';
import type { IdMaps } from '../companion/id-maps.js';
import { isCompanionRuntime } from '../companion/runtime-names.js';
import { stopSignalName } from './stop-signal.js';
import { identityText, NO_USER_FIELDS, userAndGroups, type ImageUsers } from '../security/user.js';
import { checkAbsolutePath, checkArguments, requireContainerConfig } from '../text/validate.js';

/** The fact of cridock's own that tells whose ids the first process gets (`identityText`). */
export const USER = 'user';

/** The sandbox that the container is for, as Docker and its labels tell it. */
export interface ContainerSandbox {
  id: string;
  identity: PodSandboxMetadata__Output;
  facts: SandboxFacts;
  inspect: Pick<ContainerInspect, 'HostConfig'>;
}

/** What a container depends on beside the request's config. */
export interface ContainerBodyOptions {
  sandbox: ContainerSandbox;
  /** Mappings of the pod's user namespace, if it has one. */
  userNamespace: IdMaps | undefined;
  /** The companion runtime for this pod. */
  companion: CompanionUse;
  /** The checkpoint that the container is restored from, if it is. */
  restore?: string | undefined;
  /** The image's id, resolved by the caller. */
  imageId: string;
  imageUsers: ImageUsers;
  /** Absolute path of the log, '' for none (`containerLogPath`). */
  logPath: string;
  /** Driver and options of the Engine's own copy of the log; the daemon's default when undefined. */
  logConfig?: HostConfig['LogConfig'];
  /** Full id of the running container of this pod that `target_id` names, for PID mode TARGET. */
  targetContainerId?: string | undefined;
  /** Text of the file at `localSeccompProfilePath`. */
  seccompProfileText?: string | undefined;
  /** Facts to keep as labels of cridock's own. */
  own: Record<string, string>;
  /** Whether the Engine speaks this API version. */
  supports: (apiVersion: string) => boolean;
  /** Whether the pod's runtime can mount recursively read-only. */
  recursiveReadOnly: boolean;
  /** Whether the Engine gives CDI devices, or the companion runtime has to. */
  isCdiByEngine: boolean;
  /** As `MountAbilities.imageFiles`. */
  imageFiles: (mount: Mount__Output) => ImageFiles | undefined;
  cgroupVersion: 1 | 2;
  /** Whether the Engine labels containers for SELinux. */
  hasSelinux: boolean;
  /** The lowest oom_score_adj that may be asked of the Engine. */
  minOomScoreAdj: number;
}

/**
 * Name and create body of a container in a pod, with cri-dockerd's shape. Nothing of the request is passed over: what is
 * malformed gets INVALID_ARGUMENT, what Docker cannot do UNIMPLEMENTED, with the field's name. Left to the caller:
 * what must be looked up on the node (mount sources, device nodes, profiles), and to set the node limits after the start.
 */
export function containerBody(
  config: ContainerConfig__Output,
  options: ContainerBodyOptions,
): { name: string; body: ContainerCreateBody } {
  const { metadata } = requireContainerConfig(config);
  checkArguments('config.command', config.command);
  checkArguments('config.args', config.args);
  if (config.working_dir !== '') checkAbsolutePath('config.working_dir', config.working_dir);
  const context = config.linux?.security_context ?? null;
  const { User, GroupAdd, identity } = userAndGroups(context ?? NO_USER_FIELDS, options.imageUsers);
  const { docker: resources, writes } = createResources(
    config.linux?.resources ?? null,
    options.cgroupVersion,
  );
  checkSameUserNamespace(context?.namespace_options ?? null, options.userNamespace);
  const adjustments = askedAdjustments(config, { ...options, writes });
  const mounts = { ...options, isAdjusted: adjustments !== undefined };
  const stopSignal = stopSignalName(config.stop_signal);
  const name = containerName(metadata, options.sandbox.identity);
  const body: ContainerCreateBody = {
    Image: options.imageId,
    // Left out, they are the image's.
    ...(config.command.length > 0 && { Entrypoint: config.command }),
    ...(config.args.length > 0 && { Cmd: config.args }),
    ...(stopSignal !== undefined && { StopSignal: stopSignal }),
    Env: environment(config.envs),
    WorkingDir: config.working_dir,
    User,
    Labels: containerLabels({
      labels: config.labels,
      annotations: config.annotations,
      own: {
        [NAME]: name,
        ...options.own,
        ...nodeLimitsFact({ cgroup: writes }),
        ...imageVolumesFact(config.mounts),
        ...(adjustments && adjustmentsFact(adjustments)),
        [USER]: identityText(identity),
      },
      sandboxId: options.sandbox.id,
      logPath: options.logPath,
    }),
    OpenStdin: config.stdin,
    StdinOnce: config.stdin_once,
    Tty: config.tty,
    // The kubelet has probes of its own: an image's health check would only cost.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...podHostConfig(config.linux, options, adjustments),
      ...resources,
      GroupAdd,
      ...mountMembers(config.mounts, mounts, options.hasSelinux),
      Devices: deviceMappings(config.devices),
      DeviceRequests: cdiRequests(options.isCdiByEngine ? cdiDevices(config) : []),
      ...(options.logConfig && { LogConfig: options.logConfig }),
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
      // The daemon may be set up to put an init process into every container.
      Init: false,
    },
  };
  return { name, body };
}

/** The runtime of a pod's containers: that of its sandbox, unless the companion started that for the network's sake. */
function podRuntime({ facts, inspect }: ContainerBodyOptions['sandbox']): string | undefined {
  const { Runtime } = inspect.HostConfig;
  return isCompanionRuntime(Runtime) ? facts.runtimeHandler || undefined : Runtime;
}

/** What ties the container to its pod, and confines it. */
function podHostConfig(
  linux: LinuxContainerConfig__Output | null,
  options: ContainerBodyOptions,
  adjustments: Adjustments | undefined,
): HostConfig {
  const { sandbox, companion } = options;
  const { CgroupParent } = sandbox.inspect.HostConfig;
  const Runtime = adjustments === undefined ? podRuntime(sandbox) : companion.runtime;
  const context = linux?.security_context ?? null;
  const oomScoreAdj = requireOomScoreAdj(
    'config.linux.resources.oom_score_adj',
    linux?.resources?.oom_score_adj ?? '0',
  );
  return {
    ...(Runtime !== undefined && { Runtime }),
    ...(CgroupParent !== undefined && { CgroupParent }),
    ...containerNamespaces(context?.namespace_options ?? null, {
      sandboxId: sandbox.id,
      hostNetwork: sandbox.facts.network === NamespaceMode.NODE,
      targetContainerId: options.targetContainerId,
    }),
    ...containerSecurity(context, {
      podPrivileged: sandbox.facts.privileged,
      cgroupVersion: options.cgroupVersion,
      seccompProfileText: options.seccompProfileText,
    }),
    OomScoreAdj: clampOomScoreAdj(oomScoreAdj, options.minOomScoreAdj),
  };
}
