import { posix } from 'node:path';
import { holdingMount, type MountEntry } from '../text/mountinfo.js';

/** An overlay of the same layers as one of Docker's, which the companion is to mount with other owners. */
export interface Overlay {
  /** The folder that all layers are below, which is mapped as a whole. */
  readonly layers: string;
  /** Options for mount(2), with paths relative to `layers`. */
  readonly data: string;
  /** To be made below `layers`, for overlayfs to work in; undefined for a read-only one. */
  readonly work?: string | undefined;
  /** Which of its folders is shown; '' for all of it. */
  readonly sub: string;
  /** Where it is shown, and the mount that this lies on. */
  readonly target: string;
  readonly holder: string;
  /** Docker's own overlay of the same upper layer, which is to forget what it has read. */
  readonly origin?: string | undefined;
  /** Whether that mount has peers, which must not see it. */
  readonly isHolderShared: boolean;
}

/** Beside Docker's own work folder: two overlays that share one break each other. It goes with the layer. */
const WORK = 'cridock-work';
/** What is passed on. Others make no difference here, or are not known to: those are refused. */
const KEPT =
  /^(redirect_dir|metacopy|xino|index|nfs_export|volatile|context|fscontext|defcontext|rootcontext)(=|$)/;
const DROPPED = /^(rw|ro|sync|dirsync|lazytime|seclabel|lowerdir=.*|upperdir=.*|workdir=.*|uuid=.*)$/;
/** Nothing that needs escaping in the options of a mount. */
const PLAIN_PATH = /^[\w./@+=-]+$/;
/** What the kernel takes of options (a page, with its end). */
const MAX_DATA_BYTES = 4095;

/**
 * Reads from the mounts of this namespace how Docker mounted a container's root file system at `path`. It is to be shown at
 * `target`. Throws an Error that says why that cannot be done.
 */
export function rootOverlay(mounts: readonly MountEntry[], path: string, target: string): Overlay {
  const mount = overlayAt(mounts, path);
  if (mount.mountPoint !== path || mount.root !== '/') throw new Error(`${path} is not where it was mounted`);
  const holder = holdingMount(mounts, target);
  if (holder === undefined) throw new Error(`no mount holds ${target}`);
  const { layers, lower, upper, rest } = partsOf(mount);
  if (upper === undefined) throw new Error(`${path} has no upper layer`);
  const work = posix.join(posix.dirname(upper), WORK);
  return {
    layers,
    data: dataOf([`lowerdir=${lower.join(':')}`, `upperdir=${upper}`, `workdir=${work}`, ...rest]),
    work,
    sub: '',
    target,
    holder: holder.mountPoint,
    isHolderShared: holder.shared || holder.slave,
    origin: path,
  };
}

/** Likewise an image's files at `path`, or a part of them: shown in the place of Docker's mount, read-only. */
export function imageOverlay(mounts: readonly MountEntry[], path: string): Overlay {
  const mount = overlayAt(mounts, path);
  const { layers, lower, upper, rest } = partsOf(mount);
  const all = upper === undefined ? lower : [upper, ...lower];
  return {
    layers,
    data: dataOf([`lowerdir=${all.join(':')}`, ...rest]),
    sub: mount.root.slice(1),
    target: mount.mountPoint,
    holder: mount.mountPoint,
    isHolderShared: mount.shared || mount.slave,
  };
}

function overlayAt(mounts: readonly MountEntry[], path: string): MountEntry {
  const mount = holdingMount(mounts, path);
  if (mount?.type === 'overlay') return mount;
  throw new Error(
    `${path} is not on overlayfs in the mount namespace of cridock (${mount?.type ?? 'nothing'})`,
  );
}

interface Parts {
  readonly layers: string;
  /** The uppermost first. */
  readonly lower: readonly string[];
  readonly upper: string | undefined;
  readonly rest: readonly string[];
}

/** Docker and containerd give relative paths where absolute ones are too long: relative to where all layers are. */
function partsOf({ mountPoint, superOptions }: MountEntry): Parts {
  const odd = superOptions.find((option) => !KEPT.test(option) && !DROPPED.test(option));
  if (odd !== undefined)
    throw new Error(`${mountPoint} is mounted with the option ${odd}, which is not known`);
  const valuesOf = (name: string): string[] =>
    superOptions.flatMap((option) => (option.startsWith(`${name}=`) ? [option.slice(name.length + 1)] : []));
  const lower = valuesOf('lowerdir').flatMap((value) => value.split(':'));
  const [upper] = valuesOf('upperdir');
  const paths = [...lower, ...(upper === undefined ? [] : [upper])];
  if (lower.length === 0 || !paths.every((path) => PLAIN_PATH.test(path) && !path.includes('..'))) {
    throw new Error(`the layers of ${mountPoint} have paths that cannot be used`);
  }
  const deepest = upper ?? lower.find((path) => posix.isAbsolute(path)) ?? '';
  // Docker's home of layers is two levels above an upper folder, and above where it mounts.
  const layers = posix.dirname(posix.dirname(posix.isAbsolute(deepest) ? deepest : mountPoint));
  const relative = (path: string): string => {
    if (!posix.isAbsolute(path)) return path;
    if (!path.startsWith(`${layers}/`))
      throw new Error(`${path} is not below ${layers}, as other layers are`);
    return path.slice(layers.length + 1);
  };
  return {
    layers,
    lower: lower.map(relative),
    upper: upper === undefined ? undefined : relative(upper),
    rest: superOptions.filter((option) => KEPT.test(option)),
  };
}

function dataOf(options: readonly string[]): string {
  const data = options.join(',');
  if (Buffer.byteLength(data) > MAX_DATA_BYTES) throw new Error('too many layers for the kernel');
  return data;
}
