import { MountPropagation } from '../../gen/runtime/v1/MountPropagation.js';
import { posix } from 'node:path';
import type { ContainerConfig__Output } from '../../gen/runtime/v1/ContainerConfig.js';
import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';
import { invalidArgument } from '../../util/cri-error.js';
import { cdiDevices } from '../container/devices.js';
import { IMAGE_MOUNT_API_VERSION } from '../container/mounts.js';
import type { CgroupWrite } from '../limits/cgroup-writes.js';
import { mountIdMaps, USERNS_FIELD } from '../security/user-namespace.js';
import { unsupported } from '../text/validate.js';
import type { Adjustments, MountAdjustment } from './adjustments.js';
import type { IdMaps } from './id-maps.js';
import type { RuncFeatures } from './runc-features.js';

/** What there is of the companion runtime for a pod. */
export interface CompanionUse {
  /** `HostConfig.Runtime` of containers that need it; undefined where it cannot be used. */
  readonly runtime: string | undefined;
  readonly userNamespaces: boolean;
  /** Of the runc that it stands in front of. */
  readonly features: RuncFeatures;
  /** Why something of it cannot be had. */
  readonly missing: string;
}

/** What decides on a container's adjustments beside its own config. */
export interface AdjustmentFacts {
  /** Of the pod's sandbox. */
  readonly userNamespace: IdMaps | undefined;
  readonly companion: CompanionUse;
  /** As in `Adjustments`. */
  readonly restore?: string | undefined;
  readonly supports: (apiVersion: string) => boolean;
  readonly isCdiByEngine: boolean;
  /** What is to be written into the container's cgroup after the start, where nothing can be done before. */
  readonly writes: readonly CgroupWrite[];
}

const MOUNT_OPTIONS: readonly string[] = ['noexec', 'nodev', 'nosuid'];
/** Docker itself can say this since then. */
const RECURSIVE_READ_ONLY_API_VERSION = '1.44';
/** Limits that are as good after the start: what happens when memory runs out, and none of what the pod has none of. */
const LATE_FILES: ReadonlySet<string> = new Set(['memory.oom.group']);

/**
 * What the container needs of the companion runtime; undefined for the many that need nothing of it. INVALID_ARGUMENT for what is
 * malformed, UNIMPLEMENTED with the reason where there is no companion for what cannot be had without.
 */
export function askedAdjustments(
  config: ContainerConfig__Output,
  facts: AdjustmentFacts,
): Adjustments | undefined {
  const { userNamespace, companion, supports } = facts;
  const ambient = ambientCapabilities(config);
  const cdi = facts.isCdiByEngine ? [] : cdiDevices(config);
  const mounts = new Map<string, MountAdjustment>();
  let needing = ambient.length === 0 ? cdi[0]?.field : AMBIENT_FIELD;
  config.mounts.forEach((mount, index) => {
    const field = `config.mounts[${index}]`;
    const { needs, adjustment } = mountAdjustment(field, mount, facts);
    if (needs !== undefined) needing ??= needs;
    // As Docker writes it, and the last mount of a target wins.
    mounts.set(posix.normalize(mount.container_path).replace(/\/$/, ''), adjustment);
  });
  if (userNamespace !== undefined) needing = USERNS_FIELD;
  if (facts.restore !== undefined) {
    if (userNamespace !== undefined) throw unsupported(RESTORE_FIELD, 'not in a pod with a user namespace');
    needing = RESTORE_FIELD;
  }
  const isExact = companion.runtime !== undefined && facts.writes.some(isEarly);
  if (needing === undefined && !isExact) return undefined;
  if (companion.runtime === undefined) throw unsupported(needing ?? '', companion.missing);
  if (userNamespace !== undefined && !companion.userNamespaces)
    throw unsupported(USERNS_FIELD, companion.missing);
  config.mounts.forEach((mount, index) => {
    if (userNamespace === undefined || mount.image === null || supports(IMAGE_MOUNT_API_VERSION)) return;
    const problem = `ImageVolumeMountFailed: in a user namespace needs Docker Engine API ${IMAGE_MOUNT_API_VERSION}`;
    throw unsupported(`config.mounts[${index}].image`, problem);
  });
  const adjusted = [...mounts].filter(([, adjustment]) => Object.keys(adjustment).length > 0);
  return {
    ...(userNamespace !== undefined && { userNamespace }),
    ...(ambient.length > 0 && { ambient }),
    ...(adjusted.length > 0 && { mounts: Object.fromEntries(adjusted) }),
    ...(facts.restore !== undefined && { restore: facts.restore }),
    ...(cdi.length > 0 && { cdi: cdi.map(({ name }) => name) }),
  };
}

const RESTORE_FIELD = 'config.image.image: to be restored';
const AMBIENT_FIELD = 'config.linux.security_context.capabilities.add_ambient_capabilities';

/** A limit that the container's first instructions must not be without. */
function isEarly({ file, value, raw }: CgroupWrite): boolean {
  if (raw === true) return !LATE_FILES.has(file);
  return file.startsWith('hugetlb.') && value !== '0';
}

function ambientCapabilities(config: ContainerConfig__Output): string[] {
  const asked = config.linux?.security_context?.capabilities?.add_ambient_capabilities ?? [];
  return asked.map((name, index) => {
    const bare = name.toUpperCase().replace(/^CAP_/, '');
    if (!/^[A-Z][A-Z_]*$/.test(bare) || bare === 'ALL') {
      throw invalidArgument(`${AMBIENT_FIELD}[${index}]`, 'must be the name of a capability');
    }
    return `CAP_${bare}`;
  });
}

function mountAdjustment(
  field: string,
  mount: Mount__Output,
  { userNamespace, supports }: AdjustmentFacts,
): { needs: string | undefined; adjustment: MountAdjustment } {
  const idMaps = mountIdMaps(field, mount);
  mount.mount_options.forEach((option, index) => {
    if (MOUNT_OPTIONS.includes(option)) return;
    throw invalidArgument(`${field}.mount_options[${index}]`, `must be one of ${MOUNT_OPTIONS.join(', ')}`);
  });
  if (idMaps !== undefined && mount.image !== null && userNamespace === undefined) {
    throw unsupported(`${field}.uidMappings`, 'not for an image without a user namespace');
  }
  // Else it is malformed, and refused as such.
  const isWellAsked = mount.readonly && mount.propagation === MountPropagation.PROPAGATION_PRIVATE;
  const isRecursive = mount.recursive_read_only && isWellAsked;
  const options = [...new Set(mount.mount_options), ...(isRecursive ? ['rro'] : [])];
  const [firstField] = [
    ...(mount.uidMappings.length > 0 ? [`${field}.uidMappings`] : []),
    ...(mount.gidMappings.length > 0 ? [`${field}.gidMappings`] : []),
    ...(mount.mount_options.length > 0 ? [`${field}.mount_options`] : []),
  ];
  const needsForReadOnly = isRecursive && !supports(RECURSIVE_READ_ONLY_API_VERSION);
  return {
    needs: firstField ?? (needsForReadOnly ? `${field}.recursive_read_only: RROUnsupported` : undefined),
    adjustment: {
      ...(options.length > 0 && { options }),
      ...(idMaps !== undefined && { idMaps }),
      ...(mount.image !== null && userNamespace !== undefined && { isImage: true as const }),
    },
  };
}
