import { posix } from 'node:path';
import type { BindPropagation, ContainerInspect, MountPoint, MountSpec } from '../../docker/types.js';
import type { Mount, Mount__Output } from '../../gen/runtime/v1/Mount.js';
import { MountPropagation } from '../../gen/runtime/v1/MountPropagation.js';
import { Code, CriError, invalidArgument } from '../../util/cri-error.js';
import type { Adjustments, MountAdjustment } from '../companion/adjustments.js';
import { idMappings } from '../security/user-namespace.js';
import type { ImageVolumeMount, ImageVolumeMounts } from './image-volume-mounts.js';
import { checkAbsolutePath, checkText, unsupported } from '../text/validate.js';

/** Where the files that an image mount is to show are found, without any link on the way. */
export interface ImageFiles {
  /** In the image, relative to its root; '' for all of it. */
  subPath: string;
  /** On the node, once cridock has mounted the image there: for Engines that cannot mount images (before API 1.48). */
  folder: string;
}

/** What the Engine and the pod's runtime can mount. */
export interface MountAbilities {
  supports: (apiVersion: string) => boolean;
  /** True when the pod's runtime handler can mount recursively read-only. */
  recursiveReadOnly: boolean;
  /** True when the companion runtime adds what Docker's mounts cannot have (`Adjustments`). */
  isAdjusted: boolean;
  /** Where the files of an image mount are; the caller has looked them up. */
  imageFiles: (mount: Mount__Output) => ImageFiles | undefined;
}

/** Before this version all read-only mounts are non-recursive, and Docker has no choice to offer. */
const READ_ONLY_CHOICE_API_VERSION = '1.44';
/** Since this version the Engine mounts images itself. */
export const IMAGE_MOUNT_API_VERSION = '1.48';
const MAX_SUB_PATH_BYTES = 4095;
/** OCI's option for recursively read-only. */
const RECURSIVE = 'rro';

/**
 * `HostConfig.Mounts`. The last mount of a target wins; those that are made elsewhere are left out. The caller makes sources
 * that are missing, which Docker refuses there, and has put the image's id in `image.image`.
 * Throws INVALID_ARGUMENT for malformed mounts, UNIMPLEMENTED for what the Engine cannot do; the kubelet looks for
 * `RROUnsupported` and `ImageVolumeMountFailed` in the text.
 */
export function mountSpecs(
  mounts: Mount__Output[],
  abilities: MountAbilities,
  isElsewhere: (mount: Mount__Output) => boolean = () => false,
): MountSpec[] {
  const byTarget = new Map<string, MountSpec>();
  mounts.forEach((mount, index) => {
    if (isElsewhere(mount)) return;
    const field = `config.mounts[${index}]`;
    checkCommon(field, mount);
    const target = posix.normalize(mount.container_path).replace(/\/$/, '');
    if (target === '')
      throw invalidArgument(`${field}.container_path`, 'must not be the root of the container');
    byTarget.delete(target); // so that the mount stands where the last one of its target stood
    byTarget.set(
      target,
      mount.image
        ? imageMount(field, mount, mount.image.image, abilities)
        : bindMount(field, mount, abilities),
    );
  });
  return [...byTarget.values()];
}

function checkCommon(field: string, mount: Mount__Output): void {
  checkAbsolutePath(`${field}.container_path`, mount.container_path);
}

function bindMount(field: string, mount: Mount__Output, abilities: MountAbilities): MountSpec {
  if (mount.image_sub_path !== '') throw invalidArgument(`${field}.image_sub_path`, 'needs an image');
  checkAbsolutePath(`${field}.host_path`, mount.host_path);
  const propagation = bindPropagation(`${field}.propagation`, mount.propagation);
  const spec: MountSpec = {
    Type: 'bind',
    Source: mount.host_path,
    Target: mount.container_path,
    ReadOnly: mount.readonly,
  };
  if (mount.recursive_read_only) {
    checkRecursiveReadOnly(`${field}.recursive_read_only`, mount, abilities);
  }
  if (mount.recursive_read_only && !abilities.isAdjusted) {
    return { ...spec, BindOptions: { Propagation: 'rprivate', ReadOnlyForceRecursive: true } };
  }
  const readOnlyChoice = mount.readonly && abilities.supports(READ_ONLY_CHOICE_API_VERSION);
  return {
    ...spec,
    BindOptions: {
      ...(propagation && { Propagation: propagation }),
      ...(readOnlyChoice && { ReadOnlyNonRecursive: true }),
    },
  };
}

/** Undefined for PRIVATE: Docker then takes rprivate, but rslave where the source holds Docker's own root, which it demands. */
function bindPropagation(
  field: string,
  propagation: Mount__Output['propagation'],
): BindPropagation | undefined {
  switch (propagation) {
    case MountPropagation.PROPAGATION_PRIVATE:
      return undefined;
    case MountPropagation.PROPAGATION_HOST_TO_CONTAINER:
      return 'rslave';
    case MountPropagation.PROPAGATION_BIDIRECTIONAL:
      return 'rshared';
    default:
      throw invalidArgument(field, 'is unknown');
  }
}

function checkRecursiveReadOnly(field: string, mount: Mount__Output, abilities: MountAbilities): void {
  if (!mount.readonly) throw invalidArgument(field, 'needs readonly');
  if (mount.propagation !== MountPropagation.PROPAGATION_PRIVATE) {
    throw invalidArgument(field, 'needs propagation PRIVATE');
  }
  if (abilities.isAdjusted) return;
  if (!abilities.recursiveReadOnly || !abilities.supports(READ_ONLY_CHOICE_API_VERSION)) {
    throw unsupported(field, "RROUnsupported: the pod's runtime cannot mount recursively read-only");
  }
}

/** Refuses sub paths that are malformed or may lead out of the image. */
export function checkSubPath(field: string, subPath: string): void {
  checkText(field, subPath, MAX_SUB_PATH_BYTES);
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) {
    throw invalidArgument(field, 'must be relative and not hold ".."');
  }
}

function imageMount(
  field: string,
  mount: Mount__Output,
  imageId: string,
  abilities: MountAbilities,
): MountSpec {
  if (imageId === '') throw invalidArgument(`${field}.image.image`, 'must not be empty');
  if (mount.host_path !== '') throw invalidArgument(`${field}.host_path`, 'must be empty for an image');
  if (!mount.readonly) throw invalidArgument(`${field}.readonly`, 'must be true for an image');
  if (bindPropagation(`${field}.propagation`, mount.propagation) === 'rshared') {
    throw invalidArgument(`${field}.propagation`, 'must not be BIDIRECTIONAL for an image');
  }
  checkSubPath(`${field}.image_sub_path`, mount.image_sub_path);
  const files = abilities.imageFiles(mount);
  if (files === undefined) throw new CriError(Code.INTERNAL, `${field}.image was not looked up`);
  if (!abilities.supports(IMAGE_MOUNT_API_VERSION)) {
    return { Type: 'bind', Source: files.folder, Target: mount.container_path, ReadOnly: true };
  }
  return {
    Type: 'image',
    Source: imageId,
    Target: mount.container_path,
    ReadOnly: true,
    ...(files.subPath !== '' && { ImageOptions: { Subpath: files.subPath } }),
  };
}

/**
 * The mounts of a container in CRI's words: as they were asked for where Docker keeps that (`HostConfig.Mounts`), else,
 * for the `Binds` of older cri-dockerd versions, as they are. `volumes` and `adjustments` are those of the container's labels.
 */
export function criMounts(
  { HostConfig: { Mounts: specs }, Mounts: points }: Pick<ContainerInspect, 'HostConfig' | 'Mounts'>,
  volumes: ImageVolumeMounts,
  adjustments: Adjustments['mounts'] = {},
): Mount[] {
  const asAsked = (specs ?? [])
    .filter(isPodMount)
    .map((spec) => ({ ...mountOfSpec(spec, volumes[spec.Target]), ...adjusted(adjustments[spec.Target]) }));
  const targets = new Set((specs ?? []).map(({ Target }) => Target));
  const binds = (points ?? []).filter(
    ({ Type, Destination }) => Type === 'bind' && !targets.has(Destination),
  );
  return [...asAsked, ...binds.map(mountOfPoint)];
}

function adjusted(adjustment: MountAdjustment | undefined): Mount {
  if (adjustment === undefined) return {};
  const { idMaps, options = [] } = adjustment;
  return {
    ...(idMaps && { uidMappings: idMappings(idMaps.uids), gidMappings: idMappings(idMaps.gids) }),
    ...(options.includes(RECURSIVE) && { recursive_read_only: true }),
    mount_options: options.filter((option) => option !== RECURSIVE),
  };
}

function isPodMount({ Type }: MountSpec): boolean {
  return Type === 'bind' || Type === 'image';
}

function mountOfSpec(spec: MountSpec, volume: ImageVolumeMount | undefined): Mount {
  const { Source = '', Target, ReadOnly = false, BindOptions, ImageOptions } = spec;
  if (volume !== undefined) return mountOfImage(Target, volume.image, volume.subPath);
  if (spec.Type === 'image') return mountOfImage(Target, Source, ImageOptions?.Subpath ?? '');
  return {
    container_path: Target,
    host_path: Source,
    readonly: ReadOnly,
    recursive_read_only: BindOptions?.ReadOnlyForceRecursive ?? false,
    propagation: criPropagation(BindOptions?.Propagation),
  };
}

function mountOfImage(target: string, imageId: string, subPath: string): Mount {
  return {
    container_path: target,
    readonly: true,
    image: { image: imageId, image_ref: imageId },
    image_sub_path: subPath,
  };
}

function mountOfPoint({ Source, Destination, RW, Propagation, Mode = '' }: MountPoint): Mount {
  return {
    container_path: Destination,
    host_path: Source,
    readonly: !RW,
    ...(/\b[zZ]\b/.test(Mode) && { selinux_relabel: true }),
    propagation: criPropagation(Propagation),
  };
}

function criPropagation(propagation: string | undefined): Mount__Output['propagation'] {
  if (propagation === 'rslave' || propagation === 'slave')
    return MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
  if (propagation === 'rshared' || propagation === 'shared')
    return MountPropagation.PROPAGATION_BIDIRECTIONAL;
  return MountPropagation.PROPAGATION_PRIVATE;
}
