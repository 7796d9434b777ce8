import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { api } from './api.js';
import { NODE, cluster, restartProgram } from './cluster.js';
import { waitFor } from './pod-case.js';

export interface NodeStatus {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
}

const dropIn = (): string => path.join(cluster.run, 'kubelet.conf.d/50-case.conf');
export async function nodeStatus(): Promise<NodeStatus> {
  return api<NodeStatus>('GET', `/api/v1/nodes/${NODE}`);
}

/** Runs the kubelet with other settings while `body` runs. */
export async function withKubelet(settings: object, body: () => Promise<void>): Promise<void> {
  writeFileSync(
    dropIn(),
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      ...settings,
    }),
  );
  try {
    await restartProgram('kubelet');
    await body();
  } finally {
    rmSync(dropIn());
    await restartProgram('kubelet');
    await waitFor('a node without pressure', async () => {
      const { status, spec } = await nodeStatus();
      const free = status.conditions.every(
        ({ type, status: is }) => is === (type === 'Ready' ? 'True' : 'False'),
      );
      return free && (spec.taints ?? []).length === 0 ? true : undefined;
    });
  }
}
