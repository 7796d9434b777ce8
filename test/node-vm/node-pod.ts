import type { ContainerConfig } from '../../src/gen/runtime/v1/ContainerConfig.js';
import type { NamespaceOption } from '../../src/gen/runtime/v1/NamespaceOption.js';
import type { PodSandboxConfig } from '../../src/gen/runtime/v1/PodSandboxConfig.js';
import type { CriClient } from '../support/cri-client.js';
import { containerConfig, podConfig } from '../support/pods.js';
import { BUSYBOX, connectToNode } from './node.js';

/** A pod on the node, made as the kubelet makes one under the systemd cgroup driver. */
export interface NodePod {
  readonly client: CriClient;
  readonly id: string;
  /** The folder on the node that the containers' logs are in. */
  readonly logs: string;
  /** The pod's slice, as the kubelet gives it. */
  readonly slice: string;
  /** Creates and starts a container that runs a shell's words; gives back its id. */
  start(name: string, command: string, changes?: ContainerConfig): Promise<string>;
  /** Stops and removes it, and closes the client. */
  remove(): Promise<void>;
}

/**
 * Runs a pod of class Burstable on the node.
 *
 * @param attempt the number of the pod's sandboxes before this one
 * @param namespaces what it has beside the kubelet's usual namespaces
 */
export async function runNodePod(name: string, attempt = 0, namespaces?: NamespaceOption): Promise<NodePod> {
  const client = await connectToNode();
  const slice = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${name.replaceAll('-', '_')}.slice`;
  const logs = `/var/log/pods/node-vm_${name}_1`;
  const base = podConfig(name, '');
  const config: PodSandboxConfig = {
    ...base,
    metadata: { ...base.metadata, attempt },
    log_directory: logs,
    linux: {
      ...base.linux,
      ...(namespaces && { security_context: { namespace_options: namespaces } }),
      cgroup_parent: slice,
      resources: { cpu_shares: '102', memory_limit_in_bytes: String(256 * 1024 * 1024) },
    },
  };
  await client.image.PullImage({ image: { image: BUSYBOX } });
  const { pod_sandbox_id: id } = await client.runtime.RunPodSandbox({ config });
  return {
    client,
    id,
    logs,
    slice,
    async start(containerName, command, changes) {
      const { container_id: container } = await client.runtime.CreateContainer({
        pod_sandbox_id: id,
        config: containerConfig(containerName, BUSYBOX, command, changes),
        sandbox_config: config,
      });
      await client.runtime.StartContainer({ container_id: container });
      return container;
    },
    async remove() {
      await client.runtime.StopPodSandbox({ pod_sandbox_id: id });
      await client.runtime.RemovePodSandbox({ pod_sandbox_id: id });
      client.close();
    },
  };
}
