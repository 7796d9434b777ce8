import type { MountSpec } from '../../docker/types.js';
import type { Mount__Output } from '../../gen/runtime/v1/Mount.js';
import { invalidArgument } from '../../util/cri-error.js';
import { mountSpecs, type MountAbilities } from './mounts.js';
import { unsupported } from '../text/validate.js';

/** The members of `HostConfig` that mounts go to. */
export interface MountMembers {
  Mounts: MountSpec[];
  Binds?: string[];
}

/**
 * Mounts as Docker takes them. Docker relabels sources for SELinux in the older form only, `Binds` with mode `Z`: on nodes
 * with SELinux the mounts that ask for it go there, elsewhere there is nothing to relabel.
 */
export function mountMembers(
  mounts: Mount__Output[],
  abilities: MountAbilities,
  hasSelinux: boolean,
): MountMembers {
  const isRelabelled = (mount: Mount__Output): boolean =>
    hasSelinux && mount.selinux_relabel && mount.image === null;
  const Binds = mounts.flatMap((mount, index) =>
    isRelabelled(mount) ? [relabelledBind(`config.mounts[${index}]`, mount, abilities)] : [],
  );
  const Mounts = mountSpecs(mounts, abilities, isRelabelled);
  return Binds.length > 0 ? { Mounts, Binds } : { Mounts };
}

function relabelledBind(field: string, mount: Mount__Output, abilities: MountAbilities): string {
  if (mount.recursive_read_only) {
    throw unsupported(`${field}.recursive_read_only`, 'RROUnsupported: not together with selinux_relabel');
  }
  const [spec] = mountSpecs([mount], abilities);
  const { Source = '', Target = '', ReadOnly, BindOptions } = spec ?? {};
  for (const [name, path] of Object.entries({ host_path: Source, container_path: Target })) {
    if (path.includes(':'))
      throw invalidArgument(`${field}.${name}`, 'must not hold ":" with selinux_relabel');
  }
  const modes = [
    'Z',
    ...(ReadOnly ? ['ro'] : []),
    ...(BindOptions?.Propagation ? [BindOptions.Propagation] : []),
  ];
  return `${Source}:${Target}:${modes.join(',')}`;
}
