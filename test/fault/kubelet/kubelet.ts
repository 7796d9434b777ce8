import { EventEmitter, once, setMaxListeners } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Container__Output } from '../../../src/gen/runtime/v1/Container.js';
import type { PodSandbox__Output } from '../../../src/gen/runtime/v1/PodSandbox.js';
import type { CriClient, ServiceError } from '../../support/cri-client.js';
import { containerConfig, podConfig } from '../../support/pods.js';
import { Durations } from '../durations.js';
import {
  actionsToEnd,
  actionsToRun,
  isRunning,
  runs,
  type PodActions,
  type PodParts,
} from './pod-actions.js';

export interface KubeletOptions {
  readonly client: CriClient;
  /** Where the pods' logs go. */
  readonly directory: string;
  readonly image: string;
  /** What containers do: a shell command. */
  readonly command?: string;
  /** Between two relists. */
  readonly relistMs?: number;
  /** Between two probes of a pod. */
  readonly probeMs?: number;
  /** The deadline of every call. */
  readonly timeoutMs?: number;
}

/** A call that failed. */
export interface Failure {
  readonly rpc: string;
  readonly code: number;
  readonly text: string;
  readonly atMs: number;
}

export interface Snapshot {
  /** Counts the relists: a snapshot has what was done before it began. */
  readonly number: number;
  readonly pods: ReadonlyMap<string, PodParts>;
}

interface Pod {
  readonly name: string;
  readonly containers: readonly string[];
  wanted: boolean;
  /** Of the last probe that succeeded; performance.now(). */
  probedAtMs: number;
  work: Promise<void>;
}

const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 1_000;
const GRACE_S = 1;
/** Numbered lines, so that a reader of the log can tell what is missing. */
export const NUMBERED_LINES = 'i=0; while :; do echo "line $i"; i=$((i+1)); usleep 50000; done';

/**
 * A kubelet as a CRI server sees it: it relists, compares with the pods that it should have, and calls until they agree,
 * with back-off. One worker a pod, which acts on no relist older than its last call. Times are shorter than the real one's.
 */
export class Kubelet {
  readonly failures: Failure[] = [];
  /** Of each call, by RPC. */
  readonly durations = new Durations();
  readonly #client: CriClient;
  readonly #options: KubeletOptions;
  readonly #relistMs: number;
  readonly #timeoutMs: number;
  readonly #pods = new Map<string, Pod>();
  readonly #news = new EventEmitter().setMaxListeners(0);
  readonly #stop = new AbortController();
  #relisting = Promise.resolve();
  #relists = 0;
  #snapshot: Snapshot = { number: 0, pods: new Map() };

  constructor(options: KubeletOptions) {
    this.#client = options.client;
    this.#options = options;
    this.#relistMs = options.relistMs ?? 250;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    setMaxListeners(0, this.#stop.signal); // each pod waits for it
  }

  start(): void {
    this.#relisting = this.#relistForEver();
  }

  /** Ends its work; the pods stay. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#news.emit('snapshot');
    await Promise.all([this.#relisting, ...[...this.#pods.values()].map(({ work }) => work)]);
  }

  /** From now on this pod should run, with so many containers. */
  want(name: string, containers: number): void {
    const pod: Pod = {
      name,
      containers: Array.from({ length: containers }, (_, index) => `c${index}`),
      wanted: true,
      probedAtMs: 0,
      work: Promise.resolve(),
    };
    this.#pods.set(name, pod);
    pod.work = Promise.all([this.#workOn(pod), this.#probeWhileWanted(pod)]).then(() => undefined);
  }

  /** From now on this pod should be gone. */
  unwant(name: string): void {
    const pod = this.#pods.get(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    pod.wanted = false;
  }

  get names(): string[] {
    return [...this.#pods.keys()];
  }

  /** What the last relist says of a pod. */
  parts(name: string): PodParts {
    return partsOf(this.#snapshot, name);
  }

  /** Pods that are not as they should be, with the reason; those that run have also been probed since `sinceMs`. */
  unsettled(sinceMs: number): string[] {
    return [...this.#pods.values()].flatMap((pod) => {
      const parts = partsOf(this.#snapshot, pod.name);
      if (!pod.wanted) return [`${pod.name} is still there: ${told(parts)}`];
      if (!runs(pod.containers, parts)) return [`${pod.name} does not run: ${told(parts)}`];
      return pod.probedAtMs >= sinceMs ? [] : [`${pod.name} was not probed`];
    });
  }

  /** Resolves, with the milliseconds it took, when all pods are as they should be. */
  async settled(timeoutMs: number): Promise<number> {
    const sinceMs = performance.now();
    for (;;) {
      const open = this.unsettled(sinceMs);
      if (open.length === 0) return performance.now() - sinceMs;
      if (performance.now() > sinceMs + timeoutMs) {
        throw new Error(`not settled after ${timeoutMs} ms: ${open.join('; ')}\n${this.#lastFailures()}`);
      }
      await delay(20);
    }
  }

  async #relistForEver(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const number = (this.#relists += 1);
      try {
        const [{ items }, { containers }] = await Promise.all([
          this.#call('ListPodSandbox', {}),
          this.#call('ListContainers', {}),
        ]);
        this.#snapshot = { number, pods: byPod(items, containers) };
        this.#news.emit('snapshot');
      } catch (error) {
        this.#note(error);
      }
      await this.#pause(this.#relistMs);
    }
  }

  async #probeWhileWanted(pod: Pod): Promise<void> {
    while (pod.wanted && !this.#stop.signal.aborted) {
      const target = this.parts(pod.name).containers.find(isRunning);
      if (target !== undefined) await this.#probe(pod, target.id);
      await this.#pause(target === undefined ? this.#relistMs : (this.#options.probeMs ?? 500));
    }
  }

  async #probe(pod: Pod, id: string): Promise<void> {
    const beganMs = performance.now();
    try {
      const { exit_code } = await this.#call('ExecSync', {
        container_id: id,
        cmd: ['true'],
        timeout: 5,
      });
      if (exit_code === 0) pod.probedAtMs = beganMs;
    } catch (error) {
      // The container may have been taken away under the probe.
      const isThere = this.parts(pod.name).containers.some((container) => container.id === id);
      if (pod.wanted && isThere) this.#note(error);
    }
  }

  async #workOn(pod: Pod): Promise<void> {
    let after = 0;
    let failed = 0;
    for (;;) {
      const snapshot = await this.#snapshotAfter(after);
      if (snapshot === undefined) return;
      const parts = partsOf(snapshot, pod.name);
      if (!pod.wanted && parts.sandboxes.length === 0 && parts.containers.length === 0) {
        this.#pods.delete(pod.name);
        return;
      }
      try {
        await this.#carryOut(pod, pod.wanted ? actionsToRun(pod.containers, parts) : actionsToEnd(parts));
        failed = 0;
      } catch (error) {
        this.#note(error);
        failed += 1;
        await this.#pause(Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failed - 1)));
      }
      after = this.#relists;
    }
  }

  /** The first snapshot that began after relist `number`; undefined when the kubelet stops. */
  async #snapshotAfter(number: number): Promise<Snapshot | undefined> {
    while (!this.#stop.signal.aborted) {
      if (this.#snapshot.number > number) return this.#snapshot;
      await once(this.#news, 'snapshot');
    }
    return undefined;
  }

  async #carryOut(pod: Pod, actions: PodActions): Promise<void> {
    const each = (ids: readonly string[], call: (id: string) => Promise<unknown>) =>
      Promise.all(ids.map(call));
    await each(actions.stopContainers, (container_id) =>
      this.#call('StopContainer', { container_id, timeout: GRACE_S }),
    );
    await each(actions.stopSandboxes, (pod_sandbox_id) => this.#call('StopPodSandbox', { pod_sandbox_id }));
    await each(actions.removeContainers, (container_id) => this.#call('RemoveContainer', { container_id }));
    await each(actions.removeSandboxes, (pod_sandbox_id) =>
      this.#call('RemovePodSandbox', { pod_sandbox_id }),
    );
    if (actions.runSandbox !== undefined) {
      await this.#call('RunPodSandbox', { config: this.#podConfig(pod.name, actions.runSandbox) });
    }
    for (const { name, attempt: known, sandboxId } of actions.startContainers) {
      const attempt = Math.max(known, this.#attemptsLogged(pod.name, name));
      const config = containerConfig(name, this.#options.image, this.#options.command ?? NUMBERED_LINES, {
        metadata: { name, attempt },
        log_path: `${name}/${attempt}.log`,
      });
      const { container_id } = await this.#call('CreateContainer', {
        pod_sandbox_id: sandboxId,
        config: { ...config, labels: { ...config.labels, 'io.kubernetes.pod.name': pod.name } },
        sandbox_config: this.#podConfig(pod.name, 0),
      });
      await this.#call('StartContainer', { container_id });
    }
  }

  /** As the kubelet counts the restarts of a container that nothing else is known of: by its log files. */
  #attemptsLogged(pod: string, container: string): number {
    const folder = join(podConfig(pod, this.#options.directory).log_directory ?? '', container);
    if (!existsSync(folder)) return 0;
    return 1 + Math.max(-1, ...readdirSync(folder).map((file) => parseInt(file, 10)));
  }

  #podConfig(name: string, attempt: number) {
    const config = podConfig(name, this.#options.directory);
    return { ...config, metadata: { ...config.metadata, attempt } };
  }

  /** One call with the kubelet's deadline. Throws a FailedCall. */
  async #call<Rpc extends keyof CriClient['runtime']>(
    rpc: Rpc,
    request: Parameters<CriClient['runtime'][Rpc]>[0],
  ): Promise<Awaited<ReturnType<CriClient['runtime'][Rpc]>>> {
    // The client's map of calls cannot say that a name and its request belong together.
    const call = this.#client.runtime[rpc] as (
      request: object,
      options: { timeoutMs: number },
    ) => ReturnType<CriClient['runtime'][Rpc]>;
    try {
      return await this.durations.time(rpc, async () => await call(request, { timeoutMs: this.#timeoutMs }));
    } catch (error) {
      const { code, details } = error as ServiceError;
      throw new FailedCall({ rpc, code, text: details, atMs: performance.now() });
    }
  }

  #note(error: unknown): void {
    if (!(error instanceof FailedCall)) throw error;
    this.failures.push(error.failure);
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  #lastFailures(): string {
    return this.failures
      .slice(-10)
      .map(({ rpc, code, text }) => `  ${rpc}: ${code} ${text}`)
      .join('\n');
  }
}

class FailedCall extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(`${failure.rpc}: ${failure.text}`);
    this.failure = failure;
  }
}

/** By the pods' names. A container may outlive its sandbox: its label tells its pod. */
function byPod(
  sandboxes: readonly PodSandbox__Output[],
  containers: readonly Container__Output[],
): Map<string, PodParts> {
  const names = new Set(sandboxes.map((sandbox) => sandbox.metadata?.name ?? ''));
  for (const container of containers) names.add(podNameOf(container));
  return new Map(
    [...names].map((name) => [
      name,
      {
        sandboxes: sandboxes.filter(({ metadata }) => metadata?.name === name),
        containers: containers.filter((container) => podNameOf(container) === name),
      },
    ]),
  );
}

function podNameOf({ labels }: Container__Output): string {
  return labels['io.kubernetes.pod.name'] ?? '';
}

function partsOf(snapshot: Snapshot, name: string): PodParts {
  return snapshot.pods.get(name) ?? { sandboxes: [], containers: [] };
}

function told({ sandboxes, containers }: PodParts): string {
  const sandboxStates = sandboxes.map(({ id, state }) => `sandbox ${id.slice(0, 12)} ${state}`);
  return [
    ...sandboxStates,
    ...containers.map(({ id, state }) => `container ${id.slice(0, 12)} ${state}`),
  ].join(', ');
}
