import { requireMessage } from '../../convert/text/validate.js';
import type { RemoveImageRequest__Output } from '../../gen/runtime/v1/RemoveImageRequest.js';
import type { RemoveImageResponse } from '../../gen/runtime/v1/RemoveImageResponse.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import { findImage } from '../../images/lookup.js';
import { Code, CriError, unlessGone } from '../../util/cri-error.js';

/** What it takes to remove an image. */
export type RemoveImageDeps = Pick<
  CriDeps,
  'engine' | 'imageAccounts' | 'imageDiskUsage' | 'imageInodes' | 'imageRemovals' | 'images' | 'mirror'
>;

/**
 * Removes the image that the reference means, under all its names at once (CRI: RemoveImage). Success when there is none;
 * FAILED_PRECONDITION, and nothing changed, while a container of a pod uses it, an ended one included: its pod's next one
 * needs it, and the kubelet counts it as in use. Neither does Docker by itself let it go, but for the force that several
 * names ask for.
 */
export async function removeImage(
  deps: RemoveImageDeps,
  request: RemoveImageRequest__Output,
  ctx: CallContext,
): Promise<RemoveImageResponse> {
  const { image: reference, runtime_handler: handler } = requireMessage('image', request.image);
  await checkRuntimeHandler(deps, 'image.runtime_handler', handler, ctx.signal);
  const found = await findImage(deps.engine, reference, 'image.image', ctx.signal);
  if (found === undefined) return {};
  await checkUnused(deps, found.Id, ctx.signal);
  // The Engine takes an image that it is removing for gone: who asks meanwhile has to wait for that too.
  await deps.imageRemovals.join(
    found.Id,
    (signal) => unlessGone(deps.engine.removeImage(found.Id, { signal })),
    ctx.signal,
  );
  deps.images.forget();
  deps.imageDiskUsage.forget();
  deps.imageInodes.forget();
  deps.imageAccounts.forget(found.Id);
  return {};
}

async function checkUnused(
  { mirror }: Pick<RemoveImageDeps, 'mirror'>,
  imageId: string,
  signal: AbortSignal,
): Promise<void> {
  const { containers } = await mirror.current(signal);
  for (const { id, image } of containers.values()) {
    if (image.id !== imageId) continue;
    throw new CriError(Code.FAILED_PRECONDITION, `image.image: container ${id} uses the image ${imageId}`);
  }
}
