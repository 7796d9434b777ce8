/** What a restore takes from an archive's texts. Nothing of it decides on how the container is confined. */
export interface CheckpointOrigin {
  /** Names of the image that the container was made of, the most exact first. */
  readonly images: readonly string[];
  readonly imageName: string;
  /** Paths that something was mounted at which the container is not given by itself. */
  readonly mounts: readonly string[];
  /** Its processes belong to a user namespace, which a restore can neither join nor make. */
  readonly hasUserNamespace: boolean;
}

/** Every container has these, from whatever the pod and the runtime give it. */
const GIVEN: ReadonlySet<string> = new Set([
  ...['/proc', '/dev', '/dev/pts', '/dev/mqueue', '/dev/shm', '/sys', '/sys/fs/cgroup'],
  ...['/etc/resolv.conf', '/etc/hostname', '/etc/hosts', '/run/secrets', '/run/.containerenv'],
]);
const MAX_NAME = 1024;
const MAX_MOUNTS = 10_000;

/** Reads config.dump and spec.dump. Throws an Error for what they cannot be. */
export function readOrigin(configDump: string, specDump: string): CheckpointOrigin {
  const config = readObject('config.dump', configDump);
  const { mounts = [], linux } = readObject('spec.dump', specDump);
  const { namespaces } = (linux ?? {}) as { namespaces?: unknown };
  const name = readName(config, 'rootfsImageName') || readName(config, 'rootfsImage');
  const ref = readName(config, 'rootfsImageRef');
  const images = [ref, name].filter((text) => text !== '');
  if (images.length === 0) throw new Error('config.dump names no image');
  if (!Array.isArray(mounts) || mounts.length > MAX_MOUNTS)
    throw new Error('spec.dump has no list of mounts');
  const destinations = mounts.map((mount: unknown) => {
    const { destination, type } = (mount ?? {}) as { destination?: unknown; type?: unknown };
    if (typeof destination !== 'string') throw new Error('spec.dump has a mount without a destination');
    return type === 'bind' ? destination : undefined;
  });
  return {
    images,
    imageName: name,
    mounts: destinations.filter((path): path is string => path !== undefined && !GIVEN.has(path)),
    hasUserNamespace: Array.isArray(namespaces) && namespaces.some((one: unknown) => isUserNamespace(one)),
  };
}

/** Reads deleted.files: paths in the container, each as its parts. Throws an Error for a path that leads elsewhere. */
export function readDeletedFiles(text: string): string[][] {
  const paths: unknown = JSON.parse(text);
  if (!Array.isArray(paths)) throw new Error('deleted.files is no list');
  return paths.map((path: unknown) => {
    const parts = typeof path === 'string' ? path.split('/').filter((part) => part !== '') : [];
    const isPlain =
      parts.length > 0 && parts.every((part) => part !== '..' && part !== '.' && !part.includes('\0'));
    if (!isPlain) throw new Error('deleted.files has a path that is none');
    return parts;
  });
}

function isUserNamespace(value: unknown): boolean {
  return ((value ?? {}) as { type?: unknown }).type === 'user';
}

function readObject(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${name} is no JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${name} is no object`);
  return value as Record<string, unknown>;
}

function readName(config: Record<string, unknown>, member: string): string {
  const value = config[member] ?? '';
  if (typeof value !== 'string' || value.length > MAX_NAME || /[\0-\x20\x7f]/.test(value)) {
    throw new Error(`config.dump: ${member} is no name of an image`);
  }
  return value;
}
