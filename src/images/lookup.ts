import { fullName, parseImageReference } from '../convert/image/image-reference.js';
import type { Engine } from '../docker/engine.js';
import type { ImageInspect, ImageListEntry } from '../docker/types.js';
import { Code, hasCode, invalidArgument } from '../util/cri-error.js';

/** What is asked for images: the Engine, or what it last told. */
type ImageSource = Pick<Engine, 'inspectImage' | 'listImages'>;

/**
 * The image that a CRI reference means: a name with tag or digest, an id with or without `sha256:`, a unique id prefix
 * or a manifest digest. Undefined when there is none. Throws INVALID_ARGUMENT naming `field` for malformed or
 * ambiguous references.
 */
export async function findImage(
  images: ImageSource,
  reference: string,
  field: string,
  signal: AbortSignal,
): Promise<ImageInspect | undefined> {
  const parsed = parseImageReference(reference, field);
  if (parsed.name !== undefined) {
    const named = await inspectIfThere(images, fullName(parsed.name), signal);
    if (named !== undefined) return named;
  }
  const id =
    parsed.idPrefix === undefined
      ? undefined
      : await findId(images, parsed.idPrefix, reference, field, signal);
  return id === undefined ? undefined : inspectIfThere(images, id, signal);
}

async function inspectIfThere(
  images: ImageSource,
  nameOrId: string,
  signal: AbortSignal,
): Promise<ImageInspect | undefined> {
  try {
    return await images.inspectImage(nameOrId, { signal });
  } catch (error) {
    if (hasCode(error, Code.NOT_FOUND)) return undefined;
    throw error;
  }
}

const FULL_ID_LENGTH = 64;

/**
 * Resolves hex digits among the images: an id, its beginning, or the manifest digest that an image was pulled by (which
 * the graphdriver store does not look up by itself).
 */
async function findId(
  images: ImageSource,
  hex: string,
  reference: string,
  field: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const full = `sha256:${hex}`;
  if (hex.length === FULL_ID_LENGTH) {
    const exact = await inspectIfThere(images, full, signal);
    if (exact !== undefined) return exact.Id;
  }
  const listed = await images.listImages({ signal });
  const ids = new Set(
    listed.filter((image) => image.Id.startsWith(full) || hasDigest(image, full)).map(({ Id }) => Id),
  );
  if (ids.size > 1) throw invalidArgument(field, `"${reference}" is the beginning of several image ids`);
  return [...ids][0];
}

function hasDigest(image: ImageListEntry, digest: string): boolean {
  return (image.RepoDigests ?? []).some((name) => name.endsWith(`@${digest}`));
}
