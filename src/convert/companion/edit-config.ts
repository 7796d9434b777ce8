import type { Adjustments, MountAdjustment } from './adjustments.js';
import type { IdMaps } from './id-maps.js';
import type { CapabilitySet, OciConfig, OciMount } from './oci-config.js';
import { withEdits, type OciEdits } from './oci-edits.js';

/** What of a container's config.json is changed before the OCI runtime reads it. */
export interface ConfigEdit extends Adjustments {
  /** Path of the pod's user namespace, to be joined; undefined where it is to be made. */
  readonly userNamespacePath?: string | undefined;
  /** Path of a network namespace to be joined; undefined where the runtime is to make one, as Docker asks it. */
  readonly networkNamespacePath?: string | undefined;
  /** Where the root file system is shown with the pod's owners. */
  readonly rootPath?: string | undefined;
  /** Whether the kernel maps owners on tmpfs (6.3). */
  readonly mapsTmpfs: boolean;
  /** By page size, such as `2MB`: bytes. */
  readonly hugePages: Readonly<Record<string, string>>;
  /** By name of a cgroup v2 file. */
  readonly unified: Readonly<Record<string, string>>;
  /** Beside all of these, and after them, one after the other. */
  readonly edits?: readonly OciEdits[] | undefined;
}

/** Files that Docker makes for each container. */
const DOCKER_FILES: ReadonlySet<string> = new Set(['/etc/hosts', '/etc/hostname', '/etc/resolv.conf']);
const SHM = '/dev/shm';
const PING_GROUPS = 'net.ipv4.ping_group_range';

/** The container's config.json with what Docker cannot say. */
export function editConfig(config: OciConfig, edit: ConfigEdit): OciConfig {
  const { ambient = [], edits = [] } = edit;
  const namespaces = withUserNamespace(withNetworkNamespace(config, edit), edit);
  const own = withLimits(withMounts(withAmbient(namespaces, ambient), edit), edit);
  return edits.reduce(withEdits, own);
}

/** A capability is ambient only while it is permitted and inheritable. */
function withAmbient(config: OciConfig, ambient: readonly string[]): OciConfig {
  if (ambient.length === 0) return config;
  const before = config.process?.capabilities ?? {};
  const sets: CapabilitySet[] = ['bounding', 'effective', 'permitted', 'inheritable', 'ambient'];
  const added = sets.map((set): [CapabilitySet, readonly string[]] => [
    set,
    [...new Set([...(before[set] ?? []), ...ambient])],
  ]);
  return {
    ...config,
    process: { ...config.process, capabilities: { ...before, ...Object.fromEntries(added) } },
  };
}

function withMounts(config: OciConfig, edit: ConfigEdit): OciConfig {
  const { mounts: adjusted = {}, userNamespace } = edit;
  const mounts = (config.mounts ?? []).map((mount): OciMount => {
    const asked = adjusted[mount.destination];
    if (asked !== undefined) return withAdjustment(mount, asked);
    if (userNamespace === undefined || mount.type !== 'bind') return mount;
    const isOwn = DOCKER_FILES.has(mount.destination) || (mount.destination === SHM && edit.mapsTmpfs);
    return isOwn ? withAdjustment(mount, { idMaps: userNamespace }) : mount;
  });
  return { ...config, mounts };
}

function withAdjustment(mount: OciMount, { idMaps, options = [], isImage }: MountAdjustment): OciMount {
  return {
    ...mount,
    ...(options.length > 0 && { options: [...(mount.options ?? []), ...options] }),
    // An image's owners are mapped below its overlay.
    ...(idMaps !== undefined &&
      isImage === undefined && { uidMappings: idMaps.uids, gidMappings: idMaps.gids }),
  };
}

function withUserNamespace(config: OciConfig, edit: ConfigEdit): OciConfig {
  const { userNamespace: maps, userNamespacePath: path, rootPath } = edit;
  if (maps === undefined) return config;
  const { linux = {} } = config;
  const others = (linux.namespaces ?? []).filter(({ type }) => type !== 'user');
  return {
    ...config,
    ...(rootPath !== undefined && { root: { ...config.root, path: rootPath } }),
    linux: {
      ...linux,
      namespaces: [...others, { type: 'user', ...(path !== undefined && { path }) }],
      uidMappings: maps.uids,
      gidMappings: maps.gids,
      ...(linux.sysctl && { sysctl: withMappedPingGroups(linux.sysctl, maps) }),
    },
  };
}

function withNetworkNamespace(config: OciConfig, { networkNamespacePath: path }: ConfigEdit): OciConfig {
  if (path === undefined) return config;
  const { linux = {} } = config;
  const others = (linux.namespaces ?? []).filter(({ type }) => type !== 'network');
  return { ...config, linux: { ...linux, namespaces: [...others, { type: 'network', path }] } };
}

/** Docker lets every group ping; the kernel takes only groups that the namespace has. */
function withMappedPingGroups(
  sysctl: Readonly<Record<string, string>>,
  maps: IdMaps,
): Record<string, string> {
  const range = sysctl[PING_GROUPS];
  const [first, last] = (range ?? '').trim().split(/\s+/).map(Number);
  const highest = Math.max(...maps.gids.map(({ containerID, size }) => containerID + size - 1));
  if (first === undefined || last === undefined || last <= highest) return sysctl;
  return { ...sysctl, [PING_GROUPS]: `${Math.min(first, highest)} ${highest}` };
}

function withLimits(config: OciConfig, { hugePages, unified }: ConfigEdit): OciConfig {
  const limits = Object.entries(hugePages).map(([pageSize, limit]) => ({ pageSize, limit: Number(limit) }));
  if (limits.length === 0 && Object.keys(unified).length === 0) return config;
  const { linux = {} } = config;
  const before = linux.resources?.['unified'];
  const resources = {
    ...linux.resources,
    ...(limits.length > 0 && { hugepageLimits: limits }),
    ...(Object.keys(unified).length > 0 && {
      unified: { ...(typeof before === 'object' ? before : {}), ...unified },
    }),
  };
  return { ...config, linux: { ...linux, resources } };
}
