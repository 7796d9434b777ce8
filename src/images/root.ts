import { join } from 'node:path';
import { usesContainerdStore } from '../convert/engine-info.js';
import type { EngineInfo } from '../docker/types.js';
import { access } from 'node:fs/promises';

/** Where the Engine keeps its data unless told otherwise: the answer until it was reached for the first time. */
const DEFAULT_ROOT_DIR = '/var/lib/docker';

/** The root of a containerd that runs beside the Engine, as its packages set it up. */
const PACKAGED_CONTAINERD_ROOT = '/var/lib/containerd';

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
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
