import type { ImageInspect } from '../../docker/types.js';
import { Code, CriError } from '../../util/cri-error.js';

// Docker copies an image's labels, environment, command, volumes and ports into each container that is made of it, and tells them
// at each reading of the container and in each list of all. Neither it nor registries limit them: with megabytes of them a few dozen
// containers made a list that nobody could read, and the node was lost.

/** As containerd, which leaves an image's label off its containers where key and value are longer. */
const MAX_LABEL_BYTES = 4096;
/** Of all but such labels; images have a few KiB, and the kernel takes no longer argument or variable. */
export const MAX_COPIED_BYTES = 128 * 1024;
/** What Docker tells of a volume that it makes for a container, beside its path. */
const VOLUME_BYTES = 300;

/**
 * The labels of the image that are too long to be copied, such as bills of materials, with no values: Docker copies none that a
 * container is given itself.
 */
export function emptiedLabels({ Config: config }: ImageInspect): Record<string, string> {
  const long = Object.entries(config?.Labels ?? {}).filter(
    ([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value) > MAX_LABEL_BYTES,
  );
  return Object.fromEntries(long.map(([key]) => [key, '']));
}

/** Refuses an image, named `name`, of which too much would be copied all the same. FAILED_PRECONDITION. */
export function checkCopied(field: string, name: string, image: ImageInspect): void {
  const copied = { ...image.Config, Labels: { ...image.Config?.Labels, ...emptiedLabels(image) } };
  const volumes = Object.keys(image.Config?.Volumes ?? {}).length;
  const bytes = Buffer.byteLength(JSON.stringify(copied)) + volumes * VOLUME_BYTES;
  if (bytes <= MAX_COPIED_BYTES) return;
  const message = `${field}: the config of ${name} would take ${bytes} bytes of each container, its long labels not counted; at most ${MAX_COPIED_BYTES} are taken`;
  throw new CriError(Code.FAILED_PRECONDITION, message);
}
