import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { usesContainerdStore } from '../../convert/engine-info.js';
import type { EngineInfo } from '../../docker/types.js';
import type { ImageFsInfoResponse } from '../../gen/runtime/v1/ImageFsInfoResponse.js';
import type { CriDeps } from '../deps.js';

/** Where the Engine keeps its data unless told otherwise: the answer until it was reached for the first time. */
const DEFAULT_ROOT_DIR = '/var/lib/docker';
/** The root of a containerd that runs beside the Engine, as its packages set it up. */
const PACKAGED_CONTAINERD_ROOT = '/var/lib/containerd';

/**
 * The filesystem that images live on, and what they take of it (CRI: ImageFsInfo). The kubelet asks this at its start and
 * must get an answer also while the Engine is away. Containers live on the same filesystem, which CRI says by leaving
 * their list empty. `inodes_used` is unset until images were counted.
 */
export async function imageFsInfo(deps: CriDeps): Promise<ImageFsInfoResponse> {
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

/** The folder that holds the image layers: the kubelet measures the filesystem that it is on. */
export async function imageRoot(info: EngineInfo | undefined): Promise<string> {
  const rootDir = info?.DockerRootDir ?? DEFAULT_ROOT_DIR;
  if (info === undefined || !usesContainerdStore(info)) return rootDir;
  const ownContainerd = join(rootDir, 'containerd', 'daemon');
  for (const dir of [ownContainerd, PACKAGED_CONTAINERD_ROOT]) {
    if (await exists(dir)) return dir;
  }
  return rootDir;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
