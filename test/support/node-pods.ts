import { PodSandboxState } from '../../src/gen/runtime/v1/PodSandboxState.js';
import { connectCri } from './cri-client.js';
import { testDockerEndpoint } from './cridock-process.js';
import type { DebianNode } from './debian-node.js';
import { dockerRequest } from './docker-request.js';
import { containerConfig, podConfig } from './pods.js';

/** Pods of one container each on a node that was booted for tests, by whatever server its socket has. */
export interface NodePods {
  readonly run: (count: number) => Promise<void>;
  /** When all containers of the pods were started, and with which process. */
  readonly fingerprint: () => Promise<string>;
  /** How many pods the server tells of now that are ready. */
  readonly ready: () => Promise<number>;
  readonly remove: () => Promise<void>;
}

export function podsOn(node: () => DebianNode): NodePods {
  let containers: string[] = [];
  const socket = () => connectCri(node().criSocket());
  return {
    run: async (count) => {
      const client = socket();
      containers = [];
      try {
        for (let index = 0; index < count; index += 1) {
          const sandbox = podConfig(`switched-${index}`, '/var/log/pods-switched');
          node().on(`mkdir -p /var/log/pods-switched/logs/switched-${index}/c`);
          const options = { timeoutMs: 60_000 };
          const { pod_sandbox_id: pod } = await client.runtime.RunPodSandbox({ config: sandbox }, options);
          const config = containerConfig('c', 'busybox:latest', 'while :; do sleep 1; done');
          const request = { pod_sandbox_id: pod, config, sandbox_config: sandbox };
          const { container_id: id } = await client.runtime.CreateContainer(request, options);
          await client.runtime.StartContainer({ container_id: id }, options);
          containers.push(pod, id);
        }
      } finally {
        client.close();
      }
    },
    fingerprint: async () => {
      const states = containers.map(async (id) => {
        const { body } = await dockerRequest(testDockerEndpoint, 'GET', `/containers/${id}/json`);
        const { State, RestartCount } = JSON.parse(body) as { State: object; RestartCount: number };
        const { Pid, StartedAt, Running } = { Pid: 0, StartedAt: '', Running: false, ...State };
        return `${id} ${Pid} ${StartedAt} ${Running} ${RestartCount}`;
      });
      return (await Promise.all(states)).join('\n');
    },
    ready: async () => {
      const client = socket();
      try {
        const { items } = await client.runtime.ListPodSandbox({}, { timeoutMs: 60_000 });
        return items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).length;
      } finally {
        client.close();
      }
    },
    remove: async () => {
      for (const id of containers) {
        await dockerRequest(testDockerEndpoint, 'DELETE', `/containers/${id}?force=true&v=true`);
      }
      containers = [];
    },
  };
}
