import type { SELinuxOption__Output } from '../../gen/runtime/v1/SELinuxOption.js';

/** The `SecurityOpt` entries for SELinux options; parts that are empty are left to Docker. */
export function selinuxOptions(options: SELinuxOption__Output | null): string[] {
  if (!options) return [];
  const { user, role, type, level } = options;
  return Object.entries({ user, role, type, level })
    .filter(([, value]) => value !== '')
    .map(([part, value]) => `label=${part}:${value}`);
}
