import { cdiEdits, unknownDevice } from '../../companion/cdi-edits.js';
import type { CompanionUse } from '../../convert/companion/asked-adjustments.js';
import type { IdMaps } from '../../convert/companion/id-maps.js';
import { passedOver } from '../../convert/companion/runc-features.js';
import { cdiDevices, type CdiDevice } from '../../convert/container/devices.js';
import { hasSecurityOption } from '../../convert/engine-info.js';
import { appArmorProfile, type AppArmorFields } from '../../convert/security/security-profile.js';
import { selinuxOptions } from '../../convert/security/selinux.js';
import { unsupported } from '../../convert/text/validate.js';
import type { EngineInfo } from '../../docker/types.js';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { Device__Output } from '../../gen/runtime/v1/Device.js';
import { MountPropagation } from '../../gen/runtime/v1/MountPropagation.js';
import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';
import type { SELinuxOption__Output } from '../../gen/runtime/v1/SELinuxOption.js';
import { isProfileLoaded } from '../../node/apparmor-profiles.js';
import { readCdiDevices } from '../../node/cdi-specs.js';
import type { HostPaths } from '../../node/host-paths.js';
import { hasSelinux } from '../../node/selinux.js';
import { Code, CriError, invalidArgument, messageOf } from '../../util/cri-error.js';

/** "Super privileged container": SELinux confines it no more than a process of the node. */
const UNCONFINED_TYPE = 'spc_t';

/**
 * Looks up on the node what the Engine itself would miss only at the start: the CRI wants such errors from
 * CreateContainer. Throws INVALID_ARGUMENT or FAILED_PRECONDITION that names the field.
 */
export async function checkOnNode(
  paths: HostPaths,
  config: ContainerConfig__Output,
  info: EngineInfo,
  cdi: CdiFacts,
): Promise<void> {
  await Promise.all([
    ...config.mounts.map((mount, index) => checkMount(paths, `config.mounts[${index}]`, mount)),
    ...config.devices.map((device, index) => checkDevice(paths, `config.devices[${index}]`, device)),
    checkCdi(cdiDevices(config), cdi),
    checkProfiles(config.linux?.security_context ?? null, info),
  ]);
}

async function checkMount(paths: HostPaths, field: string, mount: Mount__Output): Promise<void> {
  if (mount.image !== null) return;
  if (mount.propagation === MountPropagation.PROPAGATION_PRIVATE) return;
  const holding = await paths.propagations.find(mount.host_path).catch((error: unknown) => {
    throw ofPath(`${field}.host_path`, error);
  });
  if (holding === undefined) return;
  const bidirectional = mount.propagation === MountPropagation.PROPAGATION_BIDIRECTIONAL;
  if (holding.shared || (holding.slave && !bidirectional)) return;
  const needed = bidirectional ? 'a shared mount' : 'a shared or slave mount';
  throw invalidArgument(
    `${field}.propagation`,
    `${mount.host_path} is on ${holding.mountPoint}, which is not ${needed}`,
  );
}

/**
 * Makes folders of what is to be mounted and not there, as the other runtimes do: manifests count on it. For requests that
 * are found good otherwise. INVALID_ARGUMENT where none can be made, UNAVAILABLE where the file system does not answer.
 */
export async function makeMountSources(
  { folders }: Pick<HostPaths, 'folders'>,
  mounts: readonly Mount__Output[],
): Promise<void> {
  const make = async ({ image, host_path: path }: Mount__Output, index: number): Promise<void> => {
    if (image !== null) return;
    await folders.find(path).catch((error: unknown) => {
      throw ofPath(`config.mounts[${index}].host_path`, error);
    });
  };
  await Promise.all(mounts.map(make));
}

/** UNAVAILABLE for a file system that does not answer, INVALID_ARGUMENT for what it says. */
function ofPath(field: string, error: unknown): CriError {
  if (!(error instanceof CriError)) return invalidArgument(field, messageOf(error), { cause: error });
  return new CriError(error.code, `${field}: ${error.message}`, { cause: error });
}

/** A device node, or a folder of them, as Docker has it. */
async function checkDevice(
  { stats }: HostPaths,
  field: string,
  { host_path: path }: Device__Output,
): Promise<void> {
  const found = await stats.find(path).catch((error: unknown) => {
    throw ofPath(`${field}.host_path`, error);
  });
  if (found === undefined) return; // the Engine will see
  if (!found.isBlockDevice() && !found.isCharacterDevice() && !found.isDirectory()) {
    throw invalidArgument(`${field}.host_path`, `${path} is not a device`);
  }
}

/** How CDI devices get into a container. */
export interface CdiFacts {
  readonly isByEngine: boolean;
  readonly folders: readonly string[];
  readonly companion: CompanionUse;
  readonly userNamespace: IdMaps | undefined;
}

/** What the Engine gives has to be there; of what the companion is to do, all has to be right. */
async function checkCdi(
  devices: readonly CdiDevice[],
  { isByEngine, folders, companion, userNamespace }: CdiFacts,
): Promise<void> {
  if (devices.length === 0 || (!isByEngine && companion.runtime === undefined)) return;
  const known = await readCdiDevices(folders);
  for (const { field, name } of devices) {
    if (!known.files.has(name)) throw invalidArgument(field, unknownDevice(name, known));
    if (isByEngine) continue;
    const edits = await cdiEdits([name], known, userNamespace).catch((error: unknown) => {
      throw invalidArgument(field, messageOf(error), { cause: error });
    });
    const member = passedOver(edits, companion.features);
    if (member !== undefined) throw unsupported(field, `the runc of this node does not know ${member}`);
  }
}

/** The fields of a security context that name what must be there, in sandboxes as in containers. */
type ProfileFields = AppArmorFields & {
  selinux_options: SELinuxOption__Output | null;
  privileged: boolean;
};

/** AppArmor profiles must be loaded, and the Engine must use SELinux where it is asked to. */
export async function checkProfiles(context: ProfileFields | null, info: EngineInfo): Promise<void> {
  if (!context) return;
  await Promise.all([checkAppArmor(context, info), checkSelinux(context, info)]);
}

async function checkAppArmor(context: AppArmorFields, info: EngineInfo): Promise<void> {
  const field = 'config.linux.security_context.apparmor';
  const profile = appArmorProfile(context);
  if (profile.kind !== 'localhost') return;
  if (!hasSecurityOption(info, 'apparmor')) {
    throw invalidArgument(field, 'this node has no AppArmor');
  }
  if ((await isProfileLoaded(profile.reference)) === false) {
    throw invalidArgument(field, `the profile "${profile.reference}" is not loaded on this node`);
  }
}

/**
 * Where the kernel has no SELinux there is nothing that labels could confine: as with all runtimes they have no effect,
 * and network plugins name them on all nodes. But an Engine that passes them over on a node with SELinux would give
 * a container less confinement than was asked for.
 */
async function checkSelinux(context: ProfileFields, info: EngineInfo): Promise<void> {
  const [first] = selinuxOptions(context.selinux_options);
  const isUnconfined = context.privileged || context.selinux_options?.type === UNCONFINED_TYPE;
  if (first === undefined || isUnconfined) return;
  if (hasSecurityOption(info, 'selinux') || !(await hasSelinux())) return;
  throw new CriError(
    Code.FAILED_PRECONDITION,
    'config.linux.security_context.selinux_options: this Docker Engine does not use SELinux (dockerd --selinux-enabled)',
  );
}
