import type { ImageInspect } from '../../docker/types.js';
import { Code, CriError } from '../../util/cri-error.js';

// Docker copies an image's labels, environment, command, volumes and ports into each container that is made of it, and tells them
// at each reading of the container; labels, command and volumes also in each list of all. Neither it nor registries limit them: with
// megabytes of them a few dozen containers made a list that nobody could read, and the node was lost.

/** As containerd, which leaves an image's label off its containers where key and value are longer. */
const MAX_LABEL_BYTES = 4096;
/** Of what lists tell of a container: one of some thousand such containers can still be read. Images have a few KiB. */
export const MAX_LISTED_BYTES = 128 * 1024;
/** Of all that is copied. Images have a few KiB, or some hundred with a range of ports; the kernel runs programs with 2 MiB. */
export const MAX_COPIED_BYTES = 1024 * 1024;
/** What Docker tells of a volume that it makes for a container, beside its path. */
const VOLUME_BYTES = 300;

type ImageConfig = ImageInspect['Config'];

/**
 * The labels of an image, named `name`, that are too long to be copied, such as bills of materials, with no values: Docker copies none
 * that a container is given itself. All of its labels where too much would be copied with the others: no image needs them to run.
 * Throws as `labelsWithoutValues`.
 */
export function emptiedLabels(field: string, name: string, image: ImageInspect): Record<string, string> {
  const long = Object.entries(image.Config?.Labels ?? {}).filter(
    ([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value) > MAX_LABEL_BYTES,
  );
  const emptied = Object.fromEntries(long.map(([key]) => [key, '']));
  return excessOf(image.Config, emptied) === undefined ? emptied : labelsWithoutValues(field, name, image);
}

/** All labels of the image with no values. FAILED_PRECONDITION where too much would be copied all the same. */
export function labelsWithoutValues(
  field: string,
  name: string,
  { Config: config }: ImageInspect,
): Record<string, string> {
  const emptied = Object.fromEntries(Object.keys(config?.Labels ?? {}).map((key) => [key, '']));
  const excess = excessOf(config, emptied);
  if (excess === undefined) return emptied;
  throw new CriError(Code.FAILED_PRECONDITION, `${field}: the config of ${name} would take ${excess}`);
}

/** By how much too much is copied with these labels emptied, as text; undefined where it is not. */
function excessOf(config: ImageConfig, emptied: Readonly<Record<string, string>>): string | undefined {
  const copied = { ...config, Labels: { ...config?.Labels, ...emptied } };
  const { Labels, Entrypoint, Cmd, Volumes } = copied;
  const volumeBytes = Object.keys(Volumes ?? {}).length * VOLUME_BYTES;
  const listed = bytesOf({ Labels, Entrypoint, Cmd, Volumes }) + volumeBytes;
  const all = bytesOf(copied) + volumeBytes;
  if (listed > MAX_LISTED_BYTES)
    return `${listed} bytes of each list of containers, for its command, volumes and labels without values; at most ${MAX_LISTED_BYTES} are taken`;
  if (all > MAX_COPIED_BYTES)
    return `${all} bytes of each container, without its labels' values; at most ${MAX_COPIED_BYTES} are taken`;
  return undefined;
}

function bytesOf(config: NonNullable<ImageConfig>): number {
  return Buffer.byteLength(JSON.stringify(config));
}
