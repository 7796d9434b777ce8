import type { ImageHandlers } from '../util/handler.js';
import type { CriDeps } from './deps.js';
import { imageFsInfo } from './image/fs-info.js';
import { listImages } from './image/list.js';
import { pullImage } from './image/pull.js';
import { removeImage } from './image/remove.js';
import { imageStatus } from './image/status.js';

/** Which function serves which RPC of ImageService. What is not here answers UNIMPLEMENTED. */
export function imageService(deps: CriDeps): ImageHandlers {
  return {
    ListImages: (request, ctx) => listImages(deps, request, ctx),
    ImageStatus: (request, ctx) => imageStatus(deps, request, ctx),
    PullImage: (request, ctx) => pullImage(deps, request, ctx),
    RemoveImage: (request, ctx) => removeImage(deps, request, ctx),
    ImageFsInfo: () => imageFsInfo(deps),
  };
}
