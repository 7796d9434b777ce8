import type { OciEdits } from './oci-edits.js';

/** What an OCI runtime says that it knows, beyond what all do (`runc features`). */
export interface RuncFeatures {
  /** Owners of mounts (runc 1.2). */
  readonly mapsMounts: boolean;
  readonly netDevices: boolean;
  readonly rdtSchemata: boolean;
  readonly rdtMonitoring: boolean;
  readonly memoryPolicy: boolean;
}

/** Reads the report. Whatever is not told, or no report at all, counts as not known. */
export function readRuncFeatures(report: string): RuncFeatures {
  const features = decoded(report);
  const has = (...path: string[]): boolean => memberAt(features, ['linux', ...path]) === true;
  return {
    mapsMounts: has('mountExtensions', 'idmap', 'enabled'),
    netDevices: has('netDevices', 'enabled'),
    rdtSchemata: has('intelRdt', 'schemata'),
    memoryPolicy: memberAt(features, ['linux', 'memoryPolicy']) !== undefined,
    rdtMonitoring: has('intelRdt', 'monitoring'),
  };
}

/** The member of config.json that such a runtime would pass over without a word, if the edits need one. */
export function passedOver(
  { netDevices = {}, intelRdt, linuxMembers = {} }: OciEdits,
  features: RuncFeatures,
): string | undefined {
  if (Object.keys(netDevices).length > 0 && !features.netDevices) return 'linux.netDevices';
  if (intelRdt?.schemata !== undefined && !features.rdtSchemata) return 'linux.intelRdt.schemata';
  if (intelRdt?.enableMonitoring === true && !features.rdtMonitoring)
    return 'linux.intelRdt.enableMonitoring';
  if (linuxMembers['memoryPolicy'] !== undefined && !features.memoryPolicy) return 'linux.memoryPolicy';
  return undefined;
}

function decoded(report: string): unknown {
  try {
    return JSON.parse(report);
  } catch {
    return undefined;
  }
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (member, name) =>
      typeof member === 'object' && member !== null ? (member as Record<string, unknown>)[name] : undefined,
    value,
  );
}
