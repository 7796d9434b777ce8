import { HOOK_NAMES, type HookName, type OciDevice, type OciHook, type OciIntelRdt } from './oci-config.js';

/** What a specification of the Container Device Interface has done to containers that get one of its devices. */
export interface CdiSpec {
  /** For any of them. */
  readonly edits: CdiEdits;
  /** For each device, by its name. */
  readonly devices: ReadonlyMap<string, CdiEdits>;
}

export interface CdiEdits {
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiDeviceNode[];
  readonly netDevices: readonly { readonly hostInterfaceName: string; readonly name: string }[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly { readonly hookName: HookName; readonly hook: OciHook }[];
  readonly additionalGids: readonly number[];
  readonly intelRdt: OciIntelRdt | undefined;
}

export interface CdiDeviceNode {
  /** What is not told is that of the node's own device at `hostPath`. */
  readonly device: Pick<OciDevice, 'path'> & Partial<OciDevice>;
  readonly hostPath: string;
  /** Some of `rwm`, none for the default. */
  readonly access: string | undefined;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type?: string;
  readonly options?: readonly string[];
}

const VARIABLE = /^[^=]+=/;
const DEVICE_TYPE = /^[bcup]$/;
const PERMISSIONS = /^(none|[rwm]*)$/;
/** Any name of a file, or the root. */
const RDT_CLASS = /^(\/|(?!\.\.?$)[^/\n]{0,4095})$/;

/** The kind and the devices' names of a decoded specification, as far as it tells; for any that looks like one. */
export function cdiNames(value: Readonly<Record<string, unknown>>): string[] {
  const { kind, devices } = value;
  if (typeof kind !== 'string' || !Array.isArray(devices)) return [];
  return devices.flatMap((device: unknown) => {
    const name = typeof device === 'object' && device !== null && 'name' in device ? device.name : undefined;
    return typeof name === 'string' ? [`${kind}=${name}`] : [];
  });
}

/**
 * Checks a decoded specification. Throws an Error that names the member which is not as it should be, or not known: a
 * container must not get less of a device than was specified.
 */
export function readCdiSpec(value: unknown): CdiSpec {
  const spec = membersOf('the specification', value, [
    'cdiVersion',
    'kind',
    'annotations',
    'devices',
    'containerEdits',
  ]);
  if (!/^v?[01]\.\d+\.\d+$/.test(textOf('cdiVersion', spec['cdiVersion'])))
    throw new Error('"cdiVersion" is not known');
  const devices = listOf('devices', spec['devices'], (name, entry) => {
    const device = membersOf(name, entry, ['name', 'annotations', 'containerEdits']);
    return [
      textOf(`${name}.name`, device['name']),
      editsOf(`${name}.containerEdits`, device['containerEdits']),
    ] as const;
  });
  return { edits: editsOf('containerEdits', spec['containerEdits']), devices: new Map(devices) };
}

function editsOf(name: string, value: unknown): CdiEdits {
  const known = ['env', 'deviceNodes', 'netDevices', 'hooks', 'mounts', 'intelRdt', 'additionalGids'];
  const edits = membersOf(name, value ?? {}, known);
  const list = <T>(member: string, one: (name: string, entry: unknown) => T): T[] =>
    listOf(`${name}.${member}`, edits[member], one);
  const { intelRdt } = edits;
  return {
    env: list('env', variableOf),
    deviceNodes: list('deviceNodes', deviceNodeOf),
    netDevices: list('netDevices', (where, entry) => {
      const device = membersOf(where, entry, ['hostInterfaceName', 'name']);
      const [hostInterfaceName, inside] = ['hostInterfaceName', 'name'].map((key) =>
        textOf(`${where}.${key}`, device[key]),
      );
      return { hostInterfaceName: hostInterfaceName ?? '', name: inside ?? '' };
    }),
    mounts: list('mounts', mountOf),
    hooks: list('hooks', hookOf),
    additionalGids: list('additionalGids', numberOf),
    intelRdt:
      intelRdt === undefined || intelRdt === null ? undefined : intelRdtOf(`${name}.intelRdt`, intelRdt),
  };
}

function deviceNodeOf(name: string, value: unknown): CdiDeviceNode {
  const numbers = ['major', 'minor', 'fileMode', 'uid', 'gid'];
  const node = membersOf(name, value, ['path', 'hostPath', 'type', 'permissions', ...numbers]);
  const path = textOf(`${name}.path`, node['path']);
  const { type, permissions, hostPath } = given(name, node, ['hostPath', 'type', 'permissions'], anyTextOf);
  if (type && !DEVICE_TYPE.test(type)) throw new Error(`"${name}.type" must be b, c, u or p`);
  if (permissions && !PERMISSIONS.test(permissions)) {
    throw new Error(`"${name}.permissions" must be made of r, w and m`);
  }
  return {
    device: { path, ...(type && { type }), ...given(name, node, numbers, numberOf) },
    hostPath: hostPath || path,
    access: permissions === 'none' ? '' : permissions || undefined,
  };
}

function mountOf(name: string, value: unknown): CdiMount {
  const mount = membersOf(name, value, ['hostPath', 'containerPath', 'options', 'type']);
  return {
    hostPath: textOf(`${name}.hostPath`, mount['hostPath']),
    containerPath: textOf(`${name}.containerPath`, mount['containerPath']),
    ...given(name, mount, ['type'], anyTextOf),
    ...given(name, mount, ['options'], textsOf),
  };
}

function hookOf(name: string, value: unknown): CdiEdits['hooks'][number] {
  const hook = membersOf(name, value, ['hookName', 'path', 'args', 'env', 'timeout']);
  const hookName = HOOK_NAMES.find((known) => known === hook['hookName']);
  if (hookName === undefined) throw new Error(`"${name}.hookName" must be one of ${HOOK_NAMES.join(', ')}`);
  return {
    hookName,
    hook: {
      path: textOf(`${name}.path`, hook['path']),
      ...given(name, hook, ['args'], textsOf),
      ...given(name, hook, ['env'], (where, entry) => listOf(where, entry, variableOf)),
      ...given(name, hook, ['timeout'], numberOf),
    },
  };
}

function intelRdtOf(name: string, value: unknown): OciIntelRdt {
  const texts = ['closID', 'l3CacheSchema', 'memBwSchema'];
  const rdt = membersOf(name, value, [...texts, 'schemata', 'enableMonitoring']);
  const { enableMonitoring } = rdt;
  const told = given(name, rdt, texts, anyTextOf);
  if (!RDT_CLASS.test(told['closID'] ?? '')) throw new Error(`"${name}.closID" must be the name of a file`);
  return {
    ...told,
    ...given(name, rdt, ['schemata'], textsOf),
    ...(enableMonitoring === true && { enableMonitoring }),
  };
}

/** Those of the members that are there, read by `read`. */
function given<T>(
  name: string,
  members: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  read: (name: string, value: unknown) => T,
): Record<string, T> {
  const there = keys.filter((key) => members[key] !== undefined && members[key] !== null);
  return Object.fromEntries(there.map((key) => [key, read(`${name}.${key}`, members[key])]));
}

function membersOf(
  name: string,
  value: unknown,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`"${name}" is no object`);
  const odd = Object.keys(value).find((key) => !known.includes(key));
  if (odd !== undefined) throw new Error(`"${name}" has a member "${odd}", which is not known`);
  return value as Record<string, unknown>;
}

function listOf<T>(name: string, value: unknown, one: (name: string, entry: unknown) => T): T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`"${name}" is no list`);
  return value.map((entry: unknown, index) => one(`${name}[${index}]`, entry));
}

/** Of at least one character. */
function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0'))
    throw new Error(`"${name}" is no text`);
  return value;
}

function anyTextOf(name: string, value: unknown): string {
  return value === '' ? '' : textOf(name, value);
}

function textsOf(name: string, value: unknown): string[] {
  return listOf(name, value, anyTextOf);
}

function variableOf(name: string, value: unknown): string {
  const text = textOf(name, value);
  if (!VARIABLE.test(text)) throw new Error(`"${name}" must be NAME=value`);
  return text;
}

function numberOf(name: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw new Error(`"${name}" is no number`);
  return Number(value);
}
