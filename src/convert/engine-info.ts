import { isCompanionRuntime } from './companion/runtime-names.js';
import type { EngineInfo } from '../docker/types.js';

const FEATURES_KEY = 'org.opencontainers.runtime-spec.features';

/** True for the containerd image store, false for the classic graph drivers (`GET /info` DriverStatus). */
export function usesContainerdStore(info: EngineInfo): boolean {
  return (info.DriverStatus ?? []).some(
    ([key, value]) => key === 'driver-type' && value.startsWith('io.containerd.snapshotter'),
  );
}

/** True when the Engine confines containers by this kernel facility: `apparmor`, `selinux`, `seccomp`. */
export function hasSecurityOption(info: EngineInfo, name: string): boolean {
  return (info.SecurityOptions ?? []).some((option) => option.split(',').includes(`name=${name}`));
}

/** The option by which the Engine itself maps users, so that containers have none of the node's; undefined for none. */
export function userMapping(info: EngineInfo): 'userns' | 'rootless' | undefined {
  return (['userns', 'rootless'] as const).find((option) => hasSecurityOption(info, option));
}

/**
 * True when this runtime of the Engine says that it can mount recursively read-only (`rro`): its own feature report,
 * which the Engine passes on since API 1.44.
 */
export function canMountRecursiveReadOnly(info: EngineInfo, runtime: string): boolean {
  const report = info.Runtimes?.[runtime]?.status?.[FEATURES_KEY];
  if (report === undefined) return false;
  try {
    const features: unknown = JSON.parse(report);
    return (
      typeof features === 'object' &&
      features !== null &&
      'mountOptions' in features &&
      Array.isArray(features.mountOptions) &&
      features.mountOptions.includes('rro')
    );
  } catch {
    return false; // an unreadable report promises nothing
  }
}

/** The Engine's runtimes that pods may name. The companion is none of them: it takes only what cridock starts by it. */
export function handlerNames(info: EngineInfo): string[] {
  return Object.keys(info.Runtimes ?? {}).filter((name) => !isCompanionRuntime(name));
}
