import { lstat } from 'node:fs/promises';
import {
  readCdiSpec,
  type CdiDeviceNode,
  type CdiEdits,
  type CdiMount,
} from '../convert/companion/cdi-spec.js';
import type { IdMaps } from '../convert/companion/id-maps.js';
import { HOOK_NAMES, type OciMount } from '../convert/companion/oci-config.js';
import { joinedEdits, type EditedDevice, type OciEdits } from '../convert/companion/oci-edits.js';
import type { CdiDevices, CdiFile } from '../node/cdi-specs.js';
import { messageOf } from '../util/cri-error.js';

const ALL_ACCESS = 'rwm';

/**
 * What these devices' specifications have done to a container, as containerd and the Engine do it: first what is common to all
 * devices of a specification, once, and then what is a device's own. Throws an Error with the device or file that is at fault.
 */
export async function cdiEdits(
  names: readonly string[],
  known: CdiDevices,
  userNamespace: IdMaps | undefined,
): Promise<OciEdits> {
  const used = new Set<CdiFile>();
  const all: OciEdits[] = [];
  for (const name of names) {
    const file = known.files.get(name);
    if (file === undefined) throw new Error(unknownDevice(name, known));
    try {
      const { edits, devices } = readCdiSpec(file.spec);
      if (!used.has(file)) all.push(await ociEdits(edits, userNamespace));
      used.add(file);
      const own = devices.get(name.slice(name.indexOf('=') + 1));
      if (own !== undefined) all.push(await ociEdits(own, userNamespace));
    } catch (error) {
      throw new Error(`${file.path}: ${messageOf(error)}`, { cause: error });
    }
  }
  return joinedEdits(all);
}

/** The text for a device that no specification has, with why that may be. */
export function unknownDevice(name: string, { folders, problems }: CdiDevices): string {
  const more = problems.length === 0 ? '' : ` (${problems.join('; ')})`;
  return `no specification in ${folders.join(', ')} has the device "${name}"${more}`;
}

async function ociEdits(edits: CdiEdits, userNamespace: IdMaps | undefined): Promise<OciEdits> {
  const devices = await Promise.all(edits.deviceNodes.map(wholeDevice));
  return {
    env: edits.env,
    devices,
    deviceRules: devices.flatMap(({ type, major = 0, minor = 0 }, index) => {
      const access = edits.deviceNodes[index]?.access ?? ALL_ACCESS;
      return type === 'b' || type === 'c' ? [{ allow: true, type, major, minor, access }] : [];
    }),
    netDevices: Object.fromEntries(
      edits.netDevices.map(({ hostInterfaceName, name }) => [hostInterfaceName, { name }]),
    ),
    mounts: edits.mounts.map((mount) => ociMount(mount, userNamespace)),
    hooks: Object.fromEntries(
      HOOK_NAMES.map((name) => [
        name,
        edits.hooks.filter(({ hookName }) => hookName === name).map(({ hook }) => hook),
      ]),
    ),
    additionalGids: edits.additionalGids.filter((gid) => gid !== 0),
    ...(edits.intelRdt && { intelRdt: edits.intelRdt }),
  };
}

/** With what the node's own device tells, where the specification does not. */
async function wholeDevice({ device: told, hostPath }: CdiDeviceNode): Promise<EditedDevice> {
  const isWhole = told.type !== undefined && (told.type === 'p' || (told.major ?? 0) !== 0);
  const found = await deviceAt(hostPath).catch((error: unknown) => {
    if (isWhole) return undefined;
    throw error;
  });
  const fileMode = told.fileMode ?? found?.fileMode;
  const type = told.type ?? found?.type ?? '';
  if (!isWhole && found !== undefined && type !== found.type) {
    throw new Error(`${hostPath} is a device of type ${found.type}, and not ${type}`);
  }
  return {
    ...told,
    type,
    ...(!isWhole &&
      type !== 'p' &&
      (told.major ?? 0) === 0 && { major: found?.major ?? 0, minor: found?.minor ?? 0 }),
    ...(fileMode !== undefined && { fileMode }),
    isProcessUsers: true,
  };
}

async function deviceAt(
  path: string,
): Promise<{ type: string; major: number; minor: number; fileMode: number }> {
  const facts = await lstat(path, { bigint: true });
  const type = facts.isBlockDevice()
    ? 'b'
    : facts.isCharacterDevice()
      ? 'c'
      : facts.isFIFO()
        ? 'p'
        : undefined;
  if (type === undefined) throw new Error(`${path} is no device`);
  const { rdev } = facts; // as makedev(3) packs it
  const major = Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n));
  const minor = Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n));
  return { type, major, minor, fileMode: Number(facts.mode & 0o7777n) };
}

/** In a user namespace a bind mount has the pod's owners. */
function ociMount(
  { hostPath, containerPath, type, options = [] }: CdiMount,
  userNamespace: IdMaps | undefined,
): OciMount {
  const isBind = type === 'bind' || options.includes('bind') || options.includes('rbind');
  return {
    destination: containerPath,
    source: hostPath,
    ...(type !== undefined && { type }),
    options,
    ...(userNamespace && isBind && { uidMappings: userNamespace.uids, gidMappings: userNamespace.gids }),
  };
}
