import { api } from './api.js';
import type { KubeObject } from './api.js';
import { NODE, noCluster } from './cluster.js';

/** By what the kubelet has from cridock's Status; kubelets before 1.33 do not ask for them. */
export async function hasUserNamespaces(): Promise<boolean> {
  if (noCluster !== false) return false;
  const { status } = await api<KubeObject>('GET', `/api/v1/nodes/${NODE}`);
  const handlers = (status?.['runtimeHandlers'] ?? []) as {
    name: string;
    features?: { userNamespaces?: boolean };
  }[];
  return handlers.some(({ name, features }) => name === '' && features?.userNamespaces === true);
}
