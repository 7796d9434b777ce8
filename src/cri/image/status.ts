import { criImage } from '../../convert/image/image.js';
import { requireMessage } from '../../convert/text/validate.js';
import type { ImageInspect } from '../../docker/types.js';
import type { ImageStatusRequest__Output } from '../../gen/runtime/v1/ImageStatusRequest.js';
import type { ImageStatusResponse } from '../../gen/runtime/v1/ImageStatusResponse.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';
import { findImage } from '../../images/lookup.js';
import { imageBytes } from '../../images/sizes.js';

/** What it takes to tell of an image. */
export type ImageStatusDeps = Pick<CriDeps, 'images' | 'mirror' | 'settings'>;

/** One image by any kind of reference; no image in the reply when there is none (CRI: ImageStatus). */
export async function imageStatus(
  deps: ImageStatusDeps,
  request: ImageStatusRequest__Output,
  ctx: CallContext,
): Promise<ImageStatusResponse> {
  const { image: reference, runtime_handler: handler } = requireMessage('image', request.image);
  await checkRuntimeHandler(deps, 'image.runtime_handler', handler, ctx.signal);
  const inspect = await findImage(deps.images, reference, 'image.image', ctx.signal);
  if (inspect === undefined) return {};
  return {
    image: criImage({ Size: await imageBytes(deps, inspect, ctx.signal) }, inspect, deps.settings),
    info: request.verbose ? { info: JSON.stringify(verboseInfo(inspect)) } : {},
  };
}

/** What `crictl inspecti` shows: the image's configuration under the name that other runtimes use. */
function verboseInfo(inspect: ImageInspect): Record<string, unknown> {
  const { Config: config, RootFS: rootfs, Architecture: architecture, Os: os, Created: created } = inspect;
  return { imageSpec: { created, architecture, os, config, rootfs } };
}
