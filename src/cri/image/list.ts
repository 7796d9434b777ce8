import { criImage } from '../../convert/image/image.js';
import type { ImageListEntry } from '../../docker/types.js';
import type { Image } from '../../gen/runtime/v1/Image.js';
import type { ListImagesRequest__Output } from '../../gen/runtime/v1/ListImagesRequest.js';
import type { ListImagesResponse } from '../../gen/runtime/v1/ListImagesResponse.js';
import type { StreamImagesRequest__Output } from '../../gen/runtime/v1/StreamImagesRequest.js';
import type { StreamImagesResponse } from '../../gen/runtime/v1/StreamImagesResponse.js';
import { inBatches } from '../../util/batches.js';
import type { CallContext } from '../../util/call-context.js';
import { forEachLimited } from '../../util/concurrency.js';
import { Code, hasCode } from '../../util/cri-error.js';
import type { CriDeps } from '../deps.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import { findImage } from '../../images/lookup.js';

/** What it takes to list images. */
export type ListImagesDeps = Pick<CriDeps, 'images' | 'mirror' | 'settings'>;

const INSPECTS_AT_A_TIME = 8;

/**
 * Lists images, untagged ones included, as the kubelet's garbage collection needs them; intermediate ones not (CRI:
 * ListImages). A filter names one image by any kind of reference.
 */
export async function listImages(
  deps: ListImagesDeps,
  request: ListImagesRequest__Output,
  ctx: CallContext,
): Promise<ListImagesResponse> {
  const { image: wanted = '', runtime_handler: handler = '' } = request.filter?.image ?? {};
  await checkRuntimeHandler(deps, 'filter.image.runtime_handler', handler, ctx.signal);
  const entries = await deps.images.listImages({ signal: ctx.signal });
  if (wanted === '') return { images: await describeImages(deps, entries, ctx.signal) };
  const found = await findImage(deps.images, wanted, 'filter.image.image', ctx.signal);
  const matching = entries.filter((entry) => entry.Id === found?.Id);
  return { images: await describeImages(deps, matching, ctx.signal) };
}

/** ListImages as a stream (CRI: StreamImages). */
export async function* streamImages(
  deps: ListImagesDeps,
  request: StreamImagesRequest__Output,
  ctx: CallContext,
): AsyncGenerator<StreamImagesResponse> {
  const { images = [] } = await listImages(deps, request, ctx);
  for await (const batch of inBatches(images)) yield { images: batch };
}

/** The CRI's view of these images. One that is removed meanwhile is left out. */
async function describeImages(
  deps: Pick<CriDeps, 'images' | 'settings'>,
  entries: ImageListEntry[],
  signal: AbortSignal,
): Promise<Image[]> {
  const images: Image[] = [];
  await forEachLimited(entries, INSPECTS_AT_A_TIME, async (entry) => {
    try {
      const inspect = await deps.images.inspectImage(entry.Id, { signal });
      images.push(criImage(entry, inspect, deps.settings));
    } catch (error) {
      if (!hasCode(error, Code.NOT_FOUND)) throw error;
    }
  });
  return images;
}
