import { fullName, parseImageReference } from '../convert/image/image-reference.js';
import type { Engine } from '../docker/engine.js';
import type { ImageInspect, ImageListEntry } from '../docker/types.js';
import { Code, hasCode, invalidArgument } from '../util/cri-error.js';

/**
 * The image that a CRI reference means: a name with tag or digest, an id with or without `sha256:`, a unique id prefix
 * or a manifest digest. Undefined when there is none. Throws INVALID_ARGUMENT naming `field` for malformed or
 * ambiguous references.
 */
export async function findImage(
  engine: Engine,
  reference: string,
  field: string,
  signal: AbortSignal,
): Promise<ImageInspect | undefined> {
  const parsed = parseImageReference(reference, field);
  if (parsed.name !== undefined) {
    const named = await inspectIfThere(engine, fullName(parsed.name), signal);
    if (named !== undefined) return named;
  }
  const id =
    parsed.idPrefix === undefined
      ? undefined
      : await findId(engine, parsed.idPrefix, reference, field, signal);
  return id === undefined ? undefined : inspectIfThere(engine, id, signal);
}

async function inspectIfThere(
  engine: Engine,
  nameOrId: string,
  signal: AbortSignal,
): Promise<ImageInspect | undefined> {
  try {
    return await engine.inspectImage(nameOrId, { signal });
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
  engine: Engine,
  hex: string,
  reference: string,
  field: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const full = `sha256:${hex}`;
  if (hex.length === FULL_ID_LENGTH) {
    const exact = await inspectIfThere(engine, full, signal);
    if (exact !== undefined) return exact.Id;
  }
  const images = await engine.listImages({ signal });
  const ids = new Set(
    images.filter((image) => image.Id.startsWith(full) || hasDigest(image, full)).map(({ Id }) => Id),
  );
  if (ids.size > 1) throw invalidArgument(field, `"${reference}" is the beginning of several image ids`);
  return [...ids][0];
}

function hasDigest(image: ImageListEntry, digest: string): boolean {
  return (image.RepoDigests ?? []).some((name) => name.endsWith(`@${digest}`));
}
