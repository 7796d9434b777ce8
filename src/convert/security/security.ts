import type { HostConfig } from '../../docker/types.js';
import type { LinuxContainerSecurityContext__Output } from '../../gen/runtime/v1/LinuxContainerSecurityContext.js';
import { invalidArgument } from '../../util/cri-error.js';
import { capabilities } from './capabilities.js';
import {
  appArmorOptions,
  appArmorProfile,
  seccompOptions,
  seccompProfile,
  type Profile,
} from './security-profile.js';
import { selinuxOptions } from './selinux.js';

const FIELD = 'config.linux.security_context';

/** For containers the CRI says: no profile given means none applies. */
const NO_SECCOMP: Profile = { kind: 'unconfined' };

/** Path of the seccomp profile that the caller has to read for `containerSecurity`, or undefined for none. */
export function localSeccompProfilePath(
  context: LinuxContainerSecurityContext__Output | null,
): string | undefined {
  if (!context || context.privileged) return undefined;
  const profile = seccompProfile(context, NO_SECCOMP);
  return profile.kind === 'localhost' ? profile.reference : undefined;
}

/** What decides on a container's security beside its own security context. */
export interface SecuritySurroundings {
  /** True when the pod sandbox was made for privileged containers. */
  podPrivileged: boolean;
  cgroupVersion: 1 | 2;
  /** Text of the file at `localSeccompProfilePath`. */
  seccompProfileText: string | undefined;
}

/** The members of `HostConfig` that `containerSecurity` fills. */
export type SecuritySettings = Pick<
  HostConfig,
  | 'Privileged'
  | 'CapAdd'
  | 'CapDrop'
  | 'SecurityOpt'
  | 'MaskedPaths'
  | 'ReadonlyPaths'
  | 'ReadonlyRootfs'
  | 'CgroupnsMode'
>;

/**
 * The confinement of a container, exactly as asked or refused. Without a security context Docker's defaults hold.
 * A privileged container has no seccomp and no masked paths, whatever else the request says.
 */
export function containerSecurity(
  context: LinuxContainerSecurityContext__Output | null,
  surroundings: SecuritySurroundings,
): SecuritySettings {
  if (!context) return {};
  if (context.privileged && !surroundings.podPrivileged) {
    throw invalidArgument(`${FIELD}.privileged`, 'the pod sandbox is not privileged');
  }
  return {
    Privileged: context.privileged,
    ...capabilities(context.capabilities),
    SecurityOpt: [
      ...(context.no_new_privs ? ['no-new-privileges'] : []),
      ...selinuxOptions(context.selinux_options),
      ...(context.privileged
        ? []
        : seccompOptions(seccompProfile(context, NO_SECCOMP), surroundings.seccompProfileText)),
      ...appArmorOptions(appArmorProfile(context)),
    ],
    ReadonlyRootfs: context.readonly_rootfs,
    // An empty list means "none", where leaving it out would mean Docker's defaults.
    ...(!context.privileged && { MaskedPaths: context.masked_paths, ReadonlyPaths: context.readonly_paths }),
    // On cgroup v2 Docker would give a privileged container a cgroup namespace of its own, unlike other runtimes.
    ...(context.privileged && surroundings.cgroupVersion === 2 && { CgroupnsMode: 'host' }),
  };
}
