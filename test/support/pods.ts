import path from 'node:path';
import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
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
    annotations: { 'kubernetes.io/config.source': 'api' },
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
    labels: { 'io.kubernetes.container.name': name },
    annotations: { 'io.kubernetes.container.restartCount': '0' },
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

/** A command that runs until it is stopped. */
export const RUN_ON = 'while :; do sleep 3600 & wait $!; done';
