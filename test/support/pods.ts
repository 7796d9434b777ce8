import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import type { Mount } from '../../src/gen/runtime/v1/Mount.js';
import type { PodSandboxConfig } from '../../src/gen/runtime/v1/PodSandboxConfig.js';
import { NamespaceMode } from '../../src/gen/runtime/v1/NamespaceMode.js';

/** A sandbox's config as the kubelet would send it, with `changes` on top. */
export function podConfig(name: string, directory: string, changes: PodSandboxConfig = {}): PodSandboxConfig {
  return {
    metadata: { name, namespace: 'cridock-test', uid: `uid-${name}`, attempt: 0 },
    hostname: name,
    log_directory: path.join(directory, 'logs', name),
    labels: {
      'io.kubernetes.pod.name': name,
      'io.kubernetes.pod.namespace': 'cridock-test',
      'io.kubernetes.pod.uid': `uid-${name}`,
    },
    annotations: {
      'kubernetes.io/config.seen': '2026-11-22T12:00:00.000000000Z',
      'kubernetes.io/config.source': 'api',
    },
    linux: {
      security_context: {
        namespace_options: {
          network: NamespaceMode.POD,
          pid: NamespaceMode.CONTAINER,
          ipc: NamespaceMode.POD,
        },
      },
    },
    ...changes,
  };
}

/** A container's config as the kubelet would send it: a shell command that ends at once on SIGTERM. */
export function containerConfig(
  name: string,
  image: string,
  command: string,
  changes: ContainerConfig = {},
): ContainerConfig {
  return {
    metadata: { name, attempt: 0 },
    image: { image, user_specified_image: image },
    command: ['sh', '-c', `trap 'exit 0' TERM; ${command}`],
    log_path: `${name}/0.log`,
    labels: {
      'io.kubernetes.container.name': name,
      'io.kubernetes.pod.name': 'a-pod',
      'io.kubernetes.pod.namespace': 'cridock-test',
      'io.kubernetes.pod.uid': '0b5c2f5e-2f63-4b0e-8f0e-1d8c8f1f6c55',
    },
    annotations: {
      'io.kubernetes.container.hash': 'b6a8c1d2',
      'io.kubernetes.container.restartCount': '0',
      'io.kubernetes.container.terminationMessagePath': '/dev/termination-log',
      'io.kubernetes.container.terminationMessagePolicy': 'File',
      'io.kubernetes.pod.terminationGracePeriod': '30',
    },
    linux: {
      security_context: {
        namespace_options: {
          network: NamespaceMode.POD,
          pid: NamespaceMode.CONTAINER,
          ipc: NamespaceMode.POD,
        },
      },
    },
    ...changes,
  };
}

/** The mounts that the kubelet gives every container, from a pod folder below `directory`, which is made. */
export function kubeletMounts(directory: string): Mount[] {
  const pod = path.join(directory, 'pod');
  mkdirSync(path.join(pod, 'token'), { recursive: true });
  for (const file of ['etc-hosts', 'termination-log']) writeFileSync(path.join(pod, file), '');
  return [
    {
      container_path: '/var/run/secrets/kubernetes.io/serviceaccount',
      host_path: path.join(pod, 'token'),
      readonly: true,
    },
    { container_path: '/etc/hosts', host_path: path.join(pod, 'etc-hosts') },
    { container_path: '/dev/termination-log', host_path: path.join(pod, 'termination-log') },
  ];
}

/** A command that runs until it is stopped. */
export const RUN_ON = 'while :; do sleep 3600 & wait $!; done';
