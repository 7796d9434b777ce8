import type { ContainerCreateBody, EngineInfo, HostConfig, PortBinding } from '../../docker/types.js';
import type { LinuxSandboxSecurityContext__Output } from '../../gen/runtime/v1/LinuxSandboxSecurityContext.js';
import type { PodSandboxConfig__Output } from '../../gen/runtime/v1/PodSandboxConfig.js';
import { SupplementalGroupsPolicy } from '../../gen/runtime/v1/SupplementalGroupsPolicy.js';
import { cgroupParent } from './cgroup-parent.js';
import { sandboxDns } from './dns.js';
import { sandboxLabels } from '../text/labels.js';
import { NAME, sandboxName } from '../text/names.js';
import { sandboxNamespaces } from '../security/namespaces.js';
import { clampOomScoreAdj } from '../limits/oom-score.js';
import { podPortMappings, type PortMapping } from './port-mappings.js';
import { sandboxOwnFacts } from './sandbox-facts.js';
import {
  appArmorOptions,
  appArmorProfile,
  seccompOptions,
  seccompProfile,
  type Profile,
} from '../security/security-profile.js';
import { selinuxOptions } from '../security/selinux.js';
import { isNetworkSysctl, sandboxSysctls } from './sysctls.js';
import { adjustmentsFact } from '../companion/adjustments.js';
import type { CompanionUse } from '../companion/asked-adjustments.js';
import type { IdMaps } from '../companion/id-maps.js';
import { askedUserNamespace, USERNS_FIELD } from '../security/user-namespace.js';
import { NO_ACCOUNTS } from '../security/accounts.js';
import { checkGroupsPolicy, NO_USER_FIELDS, userAndGroups } from '../security/user.js';
import { checkText, requireSandboxConfig, unsupported } from '../text/validate.js';

/** What a sandbox's container depends on beside the request's config. */
export interface SandboxBodyOptions {
  /** The pause image, as it is to be named to the Engine. */
  image: string;
  /** Checked against the Engine's runtimes by the caller; '' for the default one. */
  runtimeHandler: string;
  /** Network mode of pods that are not in the host's network. */
  podNetworkMode: 'none' | 'default';
  cgroupDriver: EngineInfo['CgroupDriver'];
  /** The companion runtime for this handler. */
  companion: CompanionUse;
  /** Whether pods may be attached to their network while their container starts, where all for it is there. */
  networkAhead: boolean;
  /** The lowest oom_score_adj that may be asked of the Engine. */
  minOomScoreAdj: number;
  /** Text of the file at `sandboxSeccompProfilePath`. */
  seccompProfileText?: string | undefined;
}

/** A sandbox's container, and how it is to be started. */
export interface SandboxBody {
  readonly name: string;
  readonly body: ContainerCreateBody;
  readonly userNamespace: IdMaps | undefined;
  /** Whether the companion runtime starts it. */
  readonly isByCompanion: boolean;
  /** Whether its network may be set up in a namespace that is made before it starts. */
  readonly networkAhead: boolean;
}

/** The pause process is the last thing to kill when memory runs out; killing it ends the pod. */
const SANDBOX_OOM_SCORE_ADJ = -998;
const SANDBOX_CPU_SHARES = 2;
const SHM_SIZE_BYTES = 64 * 1024 * 1024;
const MAX_HOSTNAME_BYTES = 64;

/** For sandboxes no seccomp profile given means Docker's default, as with cri-dockerd. */
const DEFAULT_SECCOMP: Profile = { kind: 'default' };

/** Path of the seccomp profile that the caller has to read for `sandboxBody`, or undefined for none. */
export function sandboxSeccompProfilePath(config: PodSandboxConfig__Output): string | undefined {
  const context = config.linux?.security_context;
  const profile = context ? seccompProfile(context, DEFAULT_SECCOMP) : DEFAULT_SECCOMP;
  return profile.kind === 'localhost' ? profile.reference : undefined;
}

/**
 * Name and create body of the container that holds a pod's namespaces, with cri-dockerd's shape. INVALID_ARGUMENT
 * or UNIMPLEMENTED that names the field for what is malformed or cannot be done.
 */
export function sandboxBody(config: PodSandboxConfig__Output, options: SandboxBodyOptions): SandboxBody {
  const { metadata } = requireSandboxConfig(config);
  checkText('config.hostname', config.hostname, MAX_HOSTNAME_BYTES);
  const context = config.linux?.security_context ?? null;
  const namespaces = sandboxNamespaces(context?.namespace_options ?? null, options.podNetworkMode);
  const userNamespace = askedUserNamespace(context?.namespace_options ?? null);
  if (userNamespace !== undefined && !options.companion.userNamespaces) {
    throw unsupported(USERNS_FIELD, options.companion.missing);
  }
  const networkAhead =
    options.networkAhead &&
    options.companion.runtime !== undefined &&
    namespaces.NetworkMode === 'none' &&
    userNamespace === undefined &&
    !Object.keys(config.linux?.sysctls ?? {}).some(isNetworkSysctl);
  const isByCompanion = networkAhead || userNamespace !== undefined;
  const runtime = isByCompanion ? options.companion.runtime : options.runtimeHandler;
  const isHostNetwork = namespaces.NetworkMode === 'host';
  const { User, GroupAdd } = pauseUser(context);
  const published = publishedPorts(isHostNetwork ? [] : podPortMappings(config.port_mappings));
  const sysctls = sandboxSysctls(config.linux?.sysctls ?? {}, {
    network: isHostNetwork,
    ipc: namespaces.IpcMode === 'host',
  });
  const name = sandboxName(metadata);
  const body: ContainerCreateBody = {
    Image: options.image,
    Hostname: config.hostname,
    User,
    Labels: sandboxLabels({
      labels: config.labels,
      annotations: config.annotations,
      own: {
        [NAME]: name,
        ...sandboxOwnFacts(config, options.runtimeHandler),
        ...(userNamespace && adjustmentsFact({ userNamespace })),
      },
    }),
    Healthcheck: { Test: ['NONE'] },
    ExposedPorts: Object.fromEntries(Object.keys(published).map((port) => [port, {}])),
    HostConfig: {
      ...namespaces,
      ...sandboxDns(config.dns_config),
      ...FIXED_HOST_CONFIG,
      OomScoreAdj: clampOomScoreAdj(SANDBOX_OOM_SCORE_ADJ, options.minOomScoreAdj),
      CgroupParent: cgroupParent(config.linux?.cgroup_parent ?? '', options.cgroupDriver),
      SecurityOpt: securityOptions(context, options.seccompProfileText),
      ReadonlyRootfs: context?.readonly_rootfs ?? false,
      GroupAdd,
      Sysctls: sysctls,
      PortBindings: published,
      ...(runtime && { Runtime: runtime }),
    },
  };
  return { name, body, userNamespace, isByCompanion, networkAhead };
}

const FIXED_HOST_CONFIG: HostConfig = {
  CpuShares: SANDBOX_CPU_SHARES,
  ShmSize: SHM_SIZE_BYTES,
  RestartPolicy: { Name: 'no' },
  AutoRemove: false,
  // The daemon may be set up to put an init process into every container.
  Init: false,
  // Nothing reads what the pause process prints.
  LogConfig: { Type: 'none', Config: {} },
};

/** The pause image has no groups of its own, so both policies for them come to the same. */
function pauseUser(context: LinuxSandboxSecurityContext__Output | null): {
  User: string;
  GroupAdd: string[];
} {
  const fields = context ?? NO_USER_FIELDS;
  checkGroupsPolicy(fields.supplemental_groups_policy);
  const policy = { supplemental_groups_policy: SupplementalGroupsPolicy.Merge };
  return userAndGroups({ ...fields, ...policy }, { user: '', accounts: NO_ACCOUNTS });
}

/**
 * A privileged sandbox is one that privileged containers may be made in: the pause process itself gets no privileges
 * for it.
 */
function securityOptions(
  context: LinuxSandboxSecurityContext__Output | null,
  seccompProfileText: string | undefined,
): string[] {
  if (!context) return ['no-new-privileges'];
  return [
    'no-new-privileges',
    ...selinuxOptions(context.selinux_options),
    ...seccompOptions(seccompProfile(context, DEFAULT_SECCOMP), seccompProfileText),
    ...appArmorOptions(appArmorProfile(context)),
  ];
}

/** Docker publishes them in bridge mode; in mode `none` they have no effect, and CNI plugins do it. */
function publishedPorts(mappings: PortMapping[]): Record<string, PortBinding[]> {
  const published: Record<string, PortBinding[]> = {};
  for (const { protocol, containerPort, hostPort, hostIp } of mappings) {
    if (hostPort === 0) continue;
    const bindings = (published[`${containerPort}/${protocol}`] ??= []);
    bindings.push({ HostIp: hostIp, HostPort: String(hostPort) });
  }
  return published;
}
