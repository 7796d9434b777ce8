import { randomUUID } from 'node:crypto';
import type { ContainerConfig } from '../../../../src/gen/runtime/v1/ContainerConfig.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxConfig } from '../../../../src/gen/runtime/v1/PodSandboxConfig.js';
import type { CriClient } from '../../../support/cri-client.js';

/** A well-formed id that nothing has. */
export const UNKNOWN_ID = '0123456789abcdef'.repeat(4);

const IMAGE = 'docker.io/library/busybox:latest';
const LABEL = 'cridock-test';

/** Pods and containers in the states that the requests are about. */
export interface World {
  /** Value of the label that all of them have, and whatever a bad request should make by mistake. */
  readonly label: string;
  readonly readySandbox: string;
  readonly readySandboxConfig: PodSandboxConfig;
  readonly stoppedSandbox: string;
  readonly running: string;
  readonly exited: string;
  /** Beginnings that more than one sandbox or container has. */
  readonly ambiguousSandbox: string;
  readonly ambiguousContainer: string;
}

/** A config that is taken as it is. Each has another name. */
export function sandboxConfig(label: string, change: PodSandboxConfig = {}): PodSandboxConfig {
  const uid = randomUUID();
  return {
    metadata: { name: `bad-requests-${uid}`, uid, namespace: 'cridock-test', attempt: 0 },
    hostname: 'bad-requests',
    log_directory: `/tmp/${label}/${uid}`,
    labels: { [LABEL]: label },
    linux: { security_context: { namespace_options: { pid: NamespaceMode.CONTAINER } } },
    ...change,
  };
}

/** A config that is taken as it is; the container then sleeps. Each has another name. */
export function containerConfig(label: string, change: ContainerConfig = {}): ContainerConfig {
  return {
    metadata: { name: `c-${randomUUID()}`, attempt: 0 },
    image: { image: IMAGE },
    command: ['sleep', '1000000'],
    labels: { [LABEL]: label },
    linux: { security_context: { namespace_options: { pid: NamespaceMode.CONTAINER } } },
    ...change,
  };
}

export async function makeWorld({ runtime }: CriClient, label: string): Promise<World> {
  const sandboxOnHostNetwork = async (): Promise<string> => {
    const namespace_options = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER };
    const config = sandboxConfig(label, { linux: { security_context: { namespace_options } } });
    return (await runtime.RunPodSandbox({ config })).pod_sandbox_id;
  };
  const readySandboxConfig = sandboxConfig(label);
  const readySandbox = (await runtime.RunPodSandbox({ config: readySandboxConfig })).pod_sandbox_id;
  const container = async (): Promise<string> => {
    const reply = await runtime.CreateContainer({
      pod_sandbox_id: readySandbox,
      config: containerConfig(label),
      sandbox_config: readySandboxConfig,
    });
    return reply.container_id;
  };
  const stoppedSandbox = await sandboxOnHostNetwork();
  await runtime.StopPodSandbox({ pod_sandbox_id: stoppedSandbox });
  const [running, exited] = [await container(), await container()];
  await runtime.StartContainer({ container_id: running });
  await runtime.StartContainer({ container_id: exited });
  await runtime.StopContainer({ container_id: exited, timeout: 0 });
  return {
    label,
    readySandbox,
    readySandboxConfig,
    stoppedSandbox,
    running,
    exited,
    ambiguousSandbox: await sharedBeginning([readySandbox, stoppedSandbox], sandboxOnHostNetwork),
    ambiguousContainer: await sharedBeginning([running, exited], container),
  };
}

/** Makes more until two ids begin with the same hex digit: fifteen more at the most, three on average. */
async function sharedBeginning(ids: readonly string[], more: () => Promise<string>): Promise<string> {
  const digits = ids.map((id) => id.charAt(0));
  for (;;) {
    const shared = digits.find((digit, index) => digits.indexOf(digit) !== index);
    if (shared !== undefined) return shared;
    digits.push((await more()).charAt(0));
  }
}

/** The ids of all sandboxes and containers with the label, in order. */
export async function idsWithLabel({ runtime }: CriClient, label: string): Promise<string[]> {
  const filter = { label_selector: { [LABEL]: label } };
  const [sandboxes, containers] = await Promise.all([
    runtime.ListPodSandbox({ filter }),
    runtime.ListContainers({ filter }),
  ]);
  return [...sandboxes.items, ...containers.containers].map(({ id }) => id).sort();
}

/** Removes all sandboxes with the label, and what is in them. */
export async function removeWithLabel({ runtime }: CriClient, label: string): Promise<void> {
  const { items } = await runtime.ListPodSandbox({ filter: { label_selector: { [LABEL]: label } } });
  for (const { id } of items) {
    await runtime.StopPodSandbox({ pod_sandbox_id: id });
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
  }
}
