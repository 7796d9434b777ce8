import { createHash } from 'node:crypto';
import { registryAuth } from '../../convert/image/auth.js';
import { fullName, parseImageName, pullTarget } from '../../convert/image/image-reference.js';
import { requireMessage } from '../../convert/text/validate.js';
import type { AuthConfig__Output } from '../../gen/runtime/v1/AuthConfig.js';
import type { PullImageRequest__Output } from '../../gen/runtime/v1/PullImageRequest.js';
import type { PullImageResponse } from '../../gen/runtime/v1/PullImageResponse.js';
import type { CallContext } from '../../util/call-context.js';
import type { CriDeps } from '../deps.js';
import { checkRuntimeHandler } from '../runtime/handlers.js';

/** What it takes to pull an image. */
export type PullDeps = Pick<
  CriDeps,
  'engine' | 'imageDiskUsage' | 'imageInodes' | 'images' | 'log' | 'mirror' | 'pulls' | 'settings'
>;

/**
 * Pulls an image and answers its id (CRI: PullImage; the id is the same everywhere). The kubelet sets no deadline: a pull
 * ends when the Engine reports no progress for the configured time. The same pull in flight is joined.
 */
export async function pullImage(
  deps: PullDeps,
  request: PullImageRequest__Output,
  ctx: CallContext,
): Promise<PullImageResponse> {
  const { image, runtime_handler: handler } = requireMessage('image', request.image);
  await checkRuntimeHandler(deps, 'image.runtime_handler', handler, ctx.signal);
  return { image_ref: await pullShared(deps, image, request.auth, ctx.signal) };
}

/** Pulls `reference` (`latest` where it names neither tag nor digest) and answers the image's id. */
export async function pullShared(
  deps: PullDeps,
  reference: string,
  auth: AuthConfig__Output | null,
  signal: AbortSignal,
): Promise<string> {
  const target = pullTarget(parseImageName(reference, 'image.image'));
  const credentials = registryAuth(auth, target.registry);
  const name = fullName(target);
  // Hashed, so that no credential is kept as a key.
  const key = createHash('sha256')
    .update(JSON.stringify([name, credentials]))
    .digest('hex');
  return deps.pulls.join(
    key,
    async (shared) => {
      await deps.engine.pullImage(name, {
        auth: credentials,
        progressDeadlineMs: deps.settings.imagePullProgressDeadlineMs,
        onProgress: (progress) => deps.log.info('pulling', { image: name, progress }),
        signal: shared,
      });
      deps.images.forget();
      deps.imageDiskUsage.forget();
      deps.imageInodes.forget();
      return (await deps.engine.inspectImage(name, { signal: shared })).Id;
    },
    signal,
  );
}
