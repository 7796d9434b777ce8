import { setTimeout as delay } from 'node:timers/promises';
import { Code } from '../../src/util/cri-error.js';
import type { CriClient, ServiceError } from './cri-client.js';
import { RUN_ON, containerConfig, kubeletMounts, podConfig } from './pods.js';

/** Carries one call out; a worker that lives through restarts tries again. */
export type Attempt = <T>(call: () => Promise<T>) => Promise<T>;

export const once: Attempt = (call) => call();

/** While cridock is away its client gets one of these; the kubelet then tries again, so do we. */
const AWAY: readonly number[] = [Code.UNAVAILABLE, Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.UNKNOWN];
const RETRY_PAUSE_MS = 50;
const GIVE_UP_AFTER_MS = 120_000;

/** Tries again while the failure may be cridock's absence, as the kubelet does. */
export const untilAnswered: Attempt = async (call) => {
  const giveUpAtMs = Date.now() + GIVE_UP_AFTER_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!AWAY.includes((error as ServiceError).code) || Date.now() > giveUpAtMs) throw error;
      await delay(RETRY_PAUSE_MS);
    }
  }
};

export interface MadePod {
  sandboxId: string;
  containerIds: string[];
}

export interface PodSpec {
  name: string;
  image: string;
  /** Where its logs go. */
  directory: string;
  containers: number;
}

/** Makes a pod whose containers run until they are stopped, as the kubelet does it. */
export async function makePod(client: CriClient, spec: PodSpec, attempt: Attempt = once): Promise<MadePod> {
  const config = podConfig(spec.name, spec.directory);
  const { pod_sandbox_id: sandboxId } = await attempt(() => client.runtime.RunPodSandbox({ config }));
  const containerIds: string[] = [];
  for (let index = 0; index < spec.containers; index += 1) {
    const request = {
      pod_sandbox_id: sandboxId,
      config: containerConfig(`c${index}`, spec.image, RUN_ON, { mounts: kubeletMounts(spec.directory) }),
      sandbox_config: config,
    };
    const { container_id: id } = await attempt(() => client.runtime.CreateContainer(request));
    await attempt(() => client.runtime.StartContainer({ container_id: id }));
    containerIds.push(id);
  }
  return { sandboxId, containerIds };
}

/** Takes a pod down as the kubelet does: containers first, then the sandbox. */
export async function removePod(client: CriClient, pod: MadePod, attempt: Attempt = once): Promise<void> {
  for (const id of pod.containerIds) {
    await attempt(() => client.runtime.StopContainer({ container_id: id, timeout: 2 }));
  }
  await attempt(() => client.runtime.StopPodSandbox({ pod_sandbox_id: pod.sandboxId }));
  for (const id of pod.containerIds)
    await attempt(() => client.runtime.RemoveContainer({ container_id: id }));
  await attempt(() => client.runtime.RemovePodSandbox({ pod_sandbox_id: pod.sandboxId }));
}
