import type { ImageFsInfoResponse } from '../../gen/runtime/v1/ImageFsInfoResponse.js';
import type { CriDeps } from '../deps.js';
import { imageRoot } from '../../images/root.js';

/**
 * The filesystem that images live on, and what they take of it (CRI: ImageFsInfo). The kubelet asks this at its start and
 * must get an answer also while the Engine is away. Containers live on the same filesystem, which CRI says by leaving
 * their list empty. `inodes_used` is unset until images were counted.
 */
export async function imageFsInfo(
  deps: Pick<CriDeps, 'imageDiskUsage' | 'imageInodes' | 'mirror'>,
): Promise<ImageFsInfoResponse> {
  const { imageDiskUsage, imageInodes, mirror } = deps;
  const info = mirror.facts?.info;
  const mountpoint = await imageRoot(info);
  const inodes = info && (await imageInodes.used(info, mountpoint));
  const usedBytes =
    mirror.problem === undefined ? await imageDiskUsage.bytes() : imageDiskUsage.lastKnownBytes;
  return {
    image_filesystems: [
      {
        timestamp: String(BigInt(Date.now()) * 1_000_000n),
        fs_id: { mountpoint },
        used_bytes: { value: String(usedBytes) },
        ...(inodes !== undefined && { inodes_used: { value: String(inodes) } }),
      },
    ],
  };
}
