import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import type { Container__Output } from '../../../src/gen/runtime/v1/Container.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import type { PodSandbox__Output } from '../../../src/gen/runtime/v1/PodSandbox.js';

/** What a relist says of one pod. */
export interface PodParts {
  readonly sandboxes: readonly PodSandbox__Output[];
  readonly containers: readonly Container__Output[];
}

/** What the kubelet does next for a pod, in this order; after any of it, it looks again. */
export interface PodActions {
  readonly stopContainers: readonly string[];
  readonly stopSandboxes: readonly string[];
  readonly removeContainers: readonly string[];
  readonly removeSandboxes: readonly string[];
  /** The attempt of a sandbox to run. */
  readonly runSandbox: number | undefined;
  readonly startContainers: readonly { name: string; attempt: number; sandboxId: string }[];
}

const NOTHING: PodActions = {
  stopContainers: [],
  stopSandboxes: [],
  removeContainers: [],
  removeSandboxes: [],
  runSandbox: undefined,
  startContainers: [],
};

/** For a pod that should run: the kubelet's computePodActions and its collection of what is dead. */
export function actionsToRun(names: readonly string[], parts: PodParts): PodActions {
  const sandboxes = parts.sandboxes.toSorted((a, b) => Number(BigInt(b.created_at) - BigInt(a.created_at)));
  const [newest] = sandboxes;
  const ready = sandboxes.filter(isReady);
  if (newest === undefined || !isReady(newest) || ready.length > 1) {
    const running = parts.containers.filter(isRunning);
    const attempt = newest === undefined ? 0 : attemptOf(newest) + 1;
    return {
      ...NOTHING,
      stopContainers: running.map(({ id }) => id),
      stopSandboxes: sandboxes.map(({ id }) => id),
      runSandbox: attempt,
    };
  }
  const dead = collectable(parts.containers);
  const missing = names.flatMap((name) => {
    const last = newestOf(parts.containers, name);
    if (last !== undefined && isRunning(last) && last.pod_sandbox_id === newest.id) return [];
    return [{ name, attempt: last === undefined ? 0 : attemptOf(last) + 1, sandboxId: newest.id }];
  });
  return {
    ...NOTHING,
    removeContainers: dead.map(({ id }) => id),
    removeSandboxes: sandboxes
      .filter(
        (sandbox) => sandbox !== newest && !parts.containers.some((of) => of.pod_sandbox_id === sandbox.id),
      )
      .map(({ id }) => id),
    startContainers: missing,
  };
}

/** For a pod that should be gone. */
export function actionsToEnd(parts: PodParts): PodActions {
  const running = parts.containers.filter(isRunning);
  const ready = parts.sandboxes.filter(isReady);
  if (running.length > 0 || ready.length > 0) {
    return {
      ...NOTHING,
      stopContainers: running.map(({ id }) => id),
      stopSandboxes: parts.sandboxes.map(({ id }) => id),
    };
  }
  return {
    ...NOTHING,
    removeContainers: parts.containers.map(({ id }) => id),
    removeSandboxes: parts.sandboxes.map(({ id }) => id),
  };
}

/** All containers of the pod run, once each, in its one ready sandbox. */
export function runs(names: readonly string[], parts: PodParts): boolean {
  const ready = parts.sandboxes.filter(isReady);
  const running = parts.containers.filter(isRunning);
  return (
    ready.length === 1 &&
    running.length === names.length &&
    names.every((name) =>
      running.some((of) => of.metadata?.name === name && of.pod_sandbox_id === ready[0]?.id),
    )
  );
}

export function isRunning({ state }: Container__Output): boolean {
  return state === ContainerState.CONTAINER_RUNNING;
}

function isReady({ state }: PodSandbox__Output): boolean {
  return state === PodSandboxState.SANDBOX_READY;
}

/** The kubelet keeps the newest dead instance of each container, for its log. */
function collectable(containers: readonly Container__Output[]): Container__Output[] {
  const dead = containers.filter((container) => !isRunning(container));
  return dead.filter((container) => newestOf(dead, container.metadata?.name ?? '') !== container);
}

function newestOf(containers: readonly Container__Output[], name: string): Container__Output | undefined {
  return containers
    .filter(({ metadata }) => metadata?.name === name)
    .toSorted((a, b) => attemptOf(b) - attemptOf(a))[0];
}

function attemptOf({ metadata }: { metadata: { attempt: number } | null }): number {
  return metadata?.attempt ?? 0;
}
