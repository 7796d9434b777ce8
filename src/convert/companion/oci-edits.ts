import { posix } from 'node:path';
import {
  HOOK_NAMES,
  type OciConfig,
  type OciDevice,
  type OciDeviceRule,
  type OciHooks,
  type OciIntelRdt,
  type OciMount,
  type OciNamespace,
  type OciNetDevice,
  type OciRlimit,
} from './oci-config.js';

/**
 * Changes to a container's config.json in its own words, by whoever makes them: CDI's specifications, and plugins. What
 * is given takes the place of what is there of the same name, path or type. Removals come first.
 */
export interface OciEdits {
  /** In the place of the container's own command. */
  readonly args?: readonly string[];
  /** `NAME=value`. */
  readonly env?: readonly string[];
  /** Names. */
  readonly removedEnv?: readonly string[];
  readonly mounts?: readonly OciMount[];
  /** Paths in the container. */
  readonly removedMounts?: readonly string[];
  readonly devices?: readonly EditedDevice[];
  /** Paths in the container. */
  readonly removedDevices?: readonly string[];
  /** After those that there are. */
  readonly deviceRules?: readonly OciDeviceRule[];
  /** After those that there are. */
  readonly hooks?: OciHooks;
  readonly rlimits?: readonly OciRlimit[];
  readonly additionalGids?: readonly number[];
  /** By their names on the node. */
  readonly netDevices?: Readonly<Record<string, OciNetDevice>>;
  readonly intelRdt?: OciIntelRdt;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Keys. */
  readonly removedAnnotations?: readonly string[];
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Names. */
  readonly removedSysctl?: readonly string[];
  readonly namespaces?: readonly OciNamespace[];
  /** Types. */
  readonly removedNamespaces?: readonly string[];
  /** Other members of `process`, `linux`, and `linux.resources`, such as `oomScoreAdj`, as they are to be. */
  readonly processMembers?: Readonly<Record<string, unknown>>;
  readonly linuxMembers?: Readonly<Record<string, unknown>>;
  /** Those of a part of the resources, such as `memory`, are put beside what the part has. */
  readonly resourceMembers?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface EditedDevice extends OciDevice {
  /** Where it has no owner of its own, it is the container's first process's, unless that is root's. */
  readonly isProcessUsers?: true;
}

/** The edits of several, one after the other. */
export function joinedEdits(all: readonly OciEdits[]): OciEdits {
  const lists = <T>(of: (edits: OciEdits) => readonly T[] | undefined): T[] =>
    all.flatMap((edits) => of(edits) ?? []);
  const last = <T>(of: (edits: OciEdits) => T | undefined): T | undefined =>
    all.map(of).findLast((one) => one !== undefined);
  const args = last((edits) => edits.args);
  const intelRdt = last((edits) => edits.intelRdt);
  return {
    ...(args && { args }),
    env: lists((edits) => edits.env),
    removedEnv: lists((edits) => edits.removedEnv),
    mounts: lists((edits) => edits.mounts),
    removedMounts: lists((edits) => edits.removedMounts),
    devices: lists((edits) => edits.devices),
    removedDevices: lists((edits) => edits.removedDevices),
    deviceRules: lists((edits) => edits.deviceRules),
    hooks: Object.fromEntries(HOOK_NAMES.map((name) => [name, lists((edits) => edits.hooks?.[name])])),
    rlimits: lists((edits) => edits.rlimits),
    additionalGids: lists((edits) => edits.additionalGids),
    netDevices: Object.assign({}, ...all.map((edits) => edits.netDevices)) as Record<string, OciNetDevice>,
    ...(intelRdt && { intelRdt }),
  };
}

/** The config with the edits; members that none of them names are the same objects. */
export function withEdits(config: OciConfig, edits: OciEdits): OciConfig {
  const named = withAnnotations(withHooks(withMounts(withProcess(config, edits), edits), edits), edits);
  return withMoreMembers(withLinux(named, edits), edits);
}

function withProcess(
  config: OciConfig,
  { args, env, removedEnv, rlimits, additionalGids }: OciEdits,
): OciConfig {
  const { process = {} } = config;
  const changed = {
    ...(args !== undefined && { args }),
    ...replaced('env', process.env, env, removedEnv, nameOfVariable),
    ...replaced('rlimits', process.rlimits, rlimits, [], ({ type }) => type),
    ...(hasAny(additionalGids) && {
      user: {
        ...process.user,
        additionalGids: [...new Set([...(process.user?.additionalGids ?? []), ...additionalGids])],
      },
    }),
  };
  return Object.keys(changed).length === 0 ? config : { ...config, process: { ...process, ...changed } };
}

/** As Docker orders them: a mount after those that it may lie below. */
function withMounts(config: OciConfig, { mounts: added, removedMounts }: OciEdits): OciConfig {
  const { mounts } = replaced('mounts', config.mounts, added, removedMounts, ({ destination }) =>
    posix.resolve('/', destination),
  );
  if (mounts === undefined) return config;
  const depthOf = ({ destination }: OciMount): number => posix.normalize(destination).split('/').length;
  return { ...config, mounts: mounts.toSorted((a, b) => depthOf(a) - depthOf(b)) };
}

function withHooks(config: OciConfig, { hooks: added = {} }: OciEdits): OciConfig {
  const names = HOOK_NAMES.filter((name) => hasAny(added[name]));
  if (names.length === 0) return config;
  const { hooks = {} } = config;
  const changed: OciHooks = Object.fromEntries(
    names.map((name) => [name, [...(hooks[name] ?? []), ...(added[name] ?? [])]]),
  );
  return { ...config, hooks: { ...hooks, ...changed } };
}

function withAnnotations(config: OciConfig, { annotations, removedAnnotations }: OciEdits): OciConfig {
  const changed = replacedNames(config.annotations, annotations, removedAnnotations);
  return changed === undefined ? config : { ...config, annotations: changed };
}

function withMoreMembers(
  config: OciConfig,
  { processMembers = {}, linuxMembers = {}, resourceMembers = {} }: OciEdits,
): OciConfig {
  const { linux = {}, process = {} } = config;
  const resources = Object.entries(resourceMembers).map(([part, members]) => {
    const before = linux.resources?.[part];
    return [part, { ...(typeof before === 'object' ? before : {}), ...members }] as const;
  });
  const changed = {
    ...linuxMembers,
    ...(resources.length > 0 && { resources: { ...linux.resources, ...Object.fromEntries(resources) } }),
  };
  if (Object.keys({ ...processMembers, ...changed }).length === 0) return config;
  return {
    ...config,
    ...(Object.keys(processMembers).length > 0 && { process: { ...process, ...processMembers } }),
    ...(Object.keys(changed).length > 0 && { linux: { ...linux, ...changed } }),
  };
}

function withLinux(config: OciConfig, edits: OciEdits): OciConfig {
  const { linux = {} } = config;
  const { deviceRules, removedDevices, netDevices = {}, intelRdt } = edits;
  const devices = edits.devices?.map((device) => ownedDevice(device, config.process?.user ?? {}));
  const changed = {
    ...replaced('devices', linux.devices, devices, removedDevices, ({ path }) => path),
    ...(hasAny(deviceRules) && {
      resources: { ...linux.resources, devices: [...(linux.resources?.devices ?? []), ...deviceRules] },
    }),
    ...replaced(
      'namespaces',
      linux.namespaces,
      edits.namespaces,
      edits.removedNamespaces,
      ({ type }) => type,
    ),
    ...withSysctl(linux.sysctl, edits),
    ...(Object.keys(netDevices).length > 0 && { netDevices: { ...linux.netDevices, ...netDevices } }),
    ...(intelRdt && { intelRdt }),
  };
  return Object.keys(changed).length === 0 ? config : { ...config, linux: { ...linux, ...changed } };
}

function ownedDevice(
  { isProcessUsers, ...device }: EditedDevice,
  user: { uid?: number; gid?: number },
): OciDevice {
  if (isProcessUsers !== true) return device;
  return { ...(user.uid && { uid: user.uid }), ...(user.gid && { gid: user.gid }), ...device };
}

function withSysctl(
  before: Readonly<Record<string, string>> | undefined,
  { sysctl: added, removedSysctl }: OciEdits,
): { sysctl?: Record<string, string> } {
  const sysctl = replacedNames(before, added, removedSysctl);
  return sysctl === undefined ? {} : { sysctl };
}

/** Undefined where nothing changes. */
function replacedNames(
  before: Readonly<Record<string, string>> = {},
  added: Readonly<Record<string, string>> = {},
  removed: readonly string[] = [],
): Record<string, string> | undefined {
  if (Object.keys(added).length === 0 && removed.length === 0) return undefined;
  const kept = Object.entries(before).filter(([name]) => !removed.includes(name));
  return { ...Object.fromEntries(kept), ...added };
}

function nameOfVariable(variable: string): string {
  return variable.split('=', 1)[0] ?? '';
}

/** A member with others in it: in the place of those with the same key, and at its end. Nothing where nothing changes. */
function replaced<Name extends string, T>(
  name: Name,
  before: readonly T[] = [],
  added: readonly T[] = [],
  removed: readonly string[] = [],
  keyOf: (one: T) => string,
): Partial<Record<Name, T[]>> {
  if (added.length === 0 && removed.length === 0) return {};
  const gone = new Set(removed);
  const byKey = new Map(added.map((one) => [keyOf(one), one]));
  const kept = before.flatMap((one) => {
    const key = keyOf(one);
    const next = byKey.get(key);
    if (next === undefined) return gone.has(key) ? [] : [one];
    byKey.delete(key);
    return [next];
  });
  return { [name]: [...kept, ...byKey.values()] } as Partial<Record<Name, T[]>>;
}

function hasAny<T>(list: readonly T[] | undefined): list is readonly T[] {
  return list !== undefined && list.length > 0;
}
