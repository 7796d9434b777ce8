import { docker } from './cluster.js';

/**
 * Makes an image under this name that no other name has: the kubelet remembers by content who may use what it pulled with a
 * login.
 */
export async function makeImage(name: string): Promise<void> {
  const container = await docker('create', 'busybox:latest', 'true');
  await docker('commit', '-c', `LABEL name=${name}`, container, name);
  await docker('rm', container);
}
