import type { IDMapping__Output } from '../../gen/runtime/v1/IDMapping.js';
import { NamespaceMode } from '../../gen/runtime/v1/NamespaceMode.js';
import type { NamespaceOption__Output } from '../../gen/runtime/v1/NamespaceOption.js';
import type { UserNamespace } from '../../gen/runtime/v1/UserNamespace.js';
import { invalidArgument } from '../../util/cri-error.js';
import type { IdMap, IdMaps } from '../companion/id-maps.js';
import { areSameMaps } from '../companion/id-maps.js';
import { unsupported } from '../text/validate.js';

const NAMESPACE_OPTIONS = 'config.linux.security_context.namespace_options';
export const USERNS_FIELD = `${NAMESPACE_OPTIONS}.userns_options`;
/** Ids have 32 bits, and the last one means none. */
const MAX_IDS = 2 ** 32 - 1;

/**
 * The mappings of the user namespace that is asked for; undefined for the node's, which is also what a request gets that
 * says nothing. INVALID_ARGUMENT for what is malformed, and for what no user namespace goes with.
 */
export function askedUserNamespace(options: NamespaceOption__Output | null): IdMaps | undefined {
  const userns = options?.userns_options ?? null;
  if (options === null || userns === null) return undefined;
  const { mode, uids, gids } = userns;
  if (mode === NamespaceMode.NODE) {
    if (uids.length + gids.length === 0) return undefined;
    throw invalidArgument(USERNS_FIELD, 'has mappings, but mode NODE');
  }
  if (mode !== NamespaceMode.POD)
    throw invalidArgument(`${USERNS_FIELD}.mode`, `${mode} is not allowed here`);
  for (const namespace of ['pid', 'ipc'] as const) {
    if (options[namespace] !== NamespaceMode.NODE) continue;
    throw invalidArgument(`${NAMESPACE_OPTIONS}.${namespace}`, 'must not be NODE with a user namespace');
  }
  if (options.network === NamespaceMode.NODE) {
    throw unsupported(USERNS_FIELD, "not in the host's network");
  }
  return { uids: [podMap('uids', uids)], gids: [podMap('gids', gids)] };
}

/** Throws INVALID_ARGUMENT unless a container asks for what its pod has. */
export function checkSameUserNamespace(
  options: NamespaceOption__Output | null,
  ofPod: IdMaps | undefined,
): void {
  if (areSameMaps(askedUserNamespace(withoutModes(options)), ofPod)) return;
  throw invalidArgument(USERNS_FIELD, 'is not that of the pod sandbox');
}

/** The other namespaces of a container are checked for themselves. */
function withoutModes(options: NamespaceOption__Output | null): NamespaceOption__Output | null {
  const { POD } = NamespaceMode;
  return options && { ...options, network: POD, pid: POD, ipc: POD };
}

/** Mappings of a mount, as they are; undefined for none. */
export function mountIdMaps(
  field: string,
  { uidMappings, gidMappings }: { uidMappings: IDMapping__Output[]; gidMappings: IDMapping__Output[] },
): IdMaps | undefined {
  if (uidMappings.length === 0 && gidMappings.length === 0) return undefined;
  const all = (name: string, mappings: IDMapping__Output[]): IdMap[] => {
    if (mappings.length === 0)
      throw invalidArgument(`${field}.${name}`, 'must be set together with the others');
    return mappings.map((mapping, index) => ociMap(`${field}.${name}[${index}]`, mapping));
  };
  return { uids: all('uidMappings', uidMappings), gids: all('gidMappings', gidMappings) };
}

/** In CRI's words. */
export function userNamespaceMessage({ uids, gids }: IdMaps): UserNamespace {
  return { mode: NamespaceMode.POD, uids: idMappings(uids), gids: idMappings(gids) };
}

/** In CRI's words. */
export function idMappings(
  maps: readonly IdMap[],
): { host_id: number; container_id: number; length: number }[] {
  return maps.map(({ hostID, containerID, size }) => ({
    host_id: hostID,
    container_id: containerID,
    length: size,
  }));
}

function podMap(name: string, mappings: IDMapping__Output[]): IdMap {
  const field = `${USERNS_FIELD}.${name}`;
  const [mapping] = mappings;
  if (mapping === undefined || mappings.length > 1) throw invalidArgument(field, 'must be one mapping');
  if (mapping.container_id !== 0) throw invalidArgument(`${field}[0].container_id`, 'must be 0');
  return ociMap(`${field}[0]`, mapping);
}

function ociMap(
  field: string,
  { host_id: hostID, container_id: containerID, length: size }: IDMapping__Output,
): IdMap {
  if (size < 1) throw invalidArgument(`${field}.length`, 'must be 1 or more');
  if (hostID + size > MAX_IDS) throw invalidArgument(`${field}.host_id`, 'there are not that many ids');
  if (containerID + size > MAX_IDS)
    throw invalidArgument(`${field}.container_id`, 'there are not that many ids');
  return { containerID, hostID, size };
}
