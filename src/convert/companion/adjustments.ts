import { readIdMaps, type IdMaps } from './id-maps.js';

/** What a mount is to have beside what Docker gives it. */
export interface MountAdjustment {
  /** Owners of its files as the container sees them. */
  readonly idMaps?: IdMaps | undefined;
  /** As in OCI's config.json, such as `noexec`. */
  readonly options?: readonly string[] | undefined;
  /** True for an image's files, which overlayfs shows: they are mounted anew with the pod's owners. */
  readonly isImage?: true | undefined;
}

/** What a container is to have that the Engine's API cannot say, kept with it from its creation on. */
export interface Adjustments {
  /** Of the pod's user namespace: made for the sandbox, joined by the others. */
  readonly userNamespace?: IdMaps | undefined;
  /** Capabilities as OCI names them, such as `CAP_NET_BIND_SERVICE`. */
  readonly ambient?: readonly string[] | undefined;
  /** By path in the container. */
  readonly mounts?: Readonly<Record<string, MountAdjustment>> | undefined;
  /** Names of CDI devices that the Engine does not give it. */
  readonly cdi?: readonly string[] | undefined;
  /** The checkpoint that it is restored from, in the place of a start. */
  readonly restore?: string | undefined;
}

/** The fact of cridock's own that holds them: only for containers that the companion runtime starts. */
export const ADJUSTMENTS = 'adjustments';

/** For a label. */
export function adjustmentsFact(adjustments: Adjustments): Record<string, string> {
  return { [ADJUSTMENTS]: JSON.stringify(adjustments) };
}

/** Reads what `adjustmentsFact` wrote. Throws for any other text: a container must not start with less than was asked for. */
export function parseAdjustments(text: string): Adjustments {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('no object');
  const { userNamespace, ambient, mounts, cdi, restore } = value as Partial<
    Record<keyof Adjustments, unknown>
  >;
  return {
    ...(userNamespace !== undefined && { userNamespace: readIdMaps(userNamespace) }),
    ...(ambient !== undefined && { ambient: readTexts(ambient) }),
    ...(mounts !== undefined && { mounts: readMounts(mounts) }),
    ...(cdi !== undefined && { cdi: readTexts(cdi) }),
    ...(restore !== undefined && { restore: readText(restore) }),
  };
}

function readMounts(value: unknown): Record<string, MountAdjustment> {
  if (typeof value !== 'object' || value === null) throw new Error('"mounts" is no object');
  return Object.fromEntries(Object.entries(value).map(([target, entry]) => [target, readMount(entry)]));
}

function readMount(value: unknown): MountAdjustment {
  if (typeof value !== 'object' || value === null) throw new Error('a mount is no object');
  const { idMaps, options, isImage } = value as Partial<Record<keyof MountAdjustment, unknown>>;
  return {
    ...(idMaps !== undefined && { idMaps: readIdMaps(idMaps) }),
    ...(options !== undefined && { options: readTexts(options) }),
    ...(isImage === true && { isImage }),
  };
}

function readText(value: unknown): string {
  if (typeof value !== 'string') throw new Error('no text');
  return value;
}

function readTexts(value: unknown): string[] {
  if (!Array.isArray(value) || !value.every((text) => typeof text === 'string')) throw new Error('no list');
  return value;
}
