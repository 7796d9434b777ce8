import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { CriClient, ServiceError } from '../support/cri-client.js';
import { containerConfig, podConfig } from '../support/pods.js';
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
  gone: boolean;
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
  /** How long each call that succeeded took, in ms, by RPC. */
  readonly tookMs = new Map<string, number[]>();
  readonly #client: CriClient;
  readonly #options: KubeletOptions;
  readonly #timeoutMs: number;
  readonly #pods = new Map<string, Pod>();
  readonly #news = new EventEmitter().setMaxListeners(0);
  readonly #loops: Promise<void>[] = [];
  #relists = 0;
  #snapshot: Snapshot = { number: 0, pods: new Map() };
  #stopped = false;

  constructor(options: KubeletOptions) {
    this.#client = options.client;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  start(): void {
    this.#loops.push(this.#relistFor(), this.#probeFor());
  }

  /** Ends its work; the pods stay. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#news.emit('snapshot');
    await Promise.all([...this.#loops, ...[...this.#pods.values()].map(({ work }) => work)]);
  }

  /** From now on this pod should run, with so many containers. */
  want(name: string, containers: number): void {
    const pod: Pod = {
      name,
      containers: Array.from({ length: containers }, (_, index) => `c${index}`),
      wanted: true,
      gone: false,
      probedAtMs: 0,
      work: Promise.resolve(),
    };
    this.#pods.set(name, pod);
    pod.work = this.#workOn(pod);
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
      if (!pod.wanted) return pod.gone ? [] : [`${pod.name} is still there: ${told(parts)}`];
      if (!runs(pod.containers, parts)) return [`${pod.name} does not run: ${told(parts)}`];
      return pod.probedAtMs >= sinceMs ? [] : [`${pod.name} was not probed`];
    });
  }

  /** Resolves, with the milliseconds it took, when all pods are as they should be; pods that have gone are forgotten. */
  async settled(timeoutMs: number): Promise<number> {
    const sinceMs = performance.now();
    for (;;) {
      const open = this.unsettled(sinceMs);
      if (open.length === 0) break;
      if (performance.now() > sinceMs + timeoutMs) {
        throw new Error(`not settled after ${timeoutMs} ms: ${open.join('; ')}\n${this.#lastFailures()}`);
      }
      await delay(20);
    }
    for (const pod of this.#pods.values()) if (pod.gone) this.#pods.delete(pod.name);
    return performance.now() - sinceMs;
  }

  async #relistFor(): Promise<void> {
    while (!this.#stopped) {
      const number = (this.#relists += 1);
      try {
        const [{ items }, { containers }] = await Promise.all([
          this.#call('ListPodSandbox', {}),
          this.#call('ListContainers', {}),
        ]);
        const pods = new Map<string, { sandboxes: typeof items; containers: typeof containers }>();
        const names = new Map<string, string>();
        const of = (name: string) => {
          const parts = pods.get(name) ?? { sandboxes: [], containers: [] };
          pods.set(name, parts);
          return parts;
        };
        for (const sandbox of items) {
          const name = sandbox.metadata?.name ?? '';
          names.set(sandbox.id, name);
          of(name).sandboxes.push(sandbox);
        }
        for (const container of containers) {
          of(
            names.get(container.pod_sandbox_id) ?? container.labels['io.kubernetes.pod.name'] ?? '',
          ).containers.push(container);
        }
        this.#snapshot = { number, pods };
        this.#news.emit('snapshot');
      } catch {
        // noted by #call: the next relist shows
      }
      await delay(this.#options.relistMs ?? 250);
    }
  }

  async #probeFor(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all([...this.#pods.values()].map((pod) => this.#probe(pod)));
      await delay(this.#options.probeMs ?? 500);
    }
  }

  async #probe(pod: Pod): Promise<void> {
    const target = this.parts(pod.name).containers.find(isRunning);
    if (!pod.wanted || target === undefined) return;
    const beganMs = performance.now();
    try {
      const { exit_code } = await this.#call('ExecSync', {
        container_id: target.id,
        cmd: ['true'],
        timeout: 5,
      });
      if (exit_code === 0) pod.probedAtMs = beganMs;
    } catch {
      // noted by #call
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
        pod.gone = true;
        return;
      }
      try {
        await this.#carryOut(pod, pod.wanted ? actionsToRun(pod.containers, parts) : actionsToEnd(parts));
        failed = 0;
      } catch {
        failed += 1;
        await delay(Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failed - 1)));
      }
      after = this.#relists;
    }
  }

  /** The first snapshot that began after relist `number`; undefined when the kubelet stops. */
  async #snapshotAfter(number: number): Promise<Snapshot | undefined> {
    while (!this.#stopped) {
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
    for (const { name, attempt, sandboxId } of actions.startContainers) {
      const config = containerConfig(name, this.#options.image, NUMBERED_LINES, {
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

  #podConfig(name: string, attempt: number) {
    const config = podConfig(name, this.#options.directory);
    return { ...config, metadata: { ...config.metadata, attempt } };
  }

  /** One call with the kubelet's deadline; a failure is noted and thrown. */
  async #call<Rpc extends keyof CriClient['runtime']>(
    rpc: Rpc,
    request: Parameters<CriClient['runtime'][Rpc]>[0],
  ): Promise<Awaited<ReturnType<CriClient['runtime'][Rpc]>>> {
    const beganMs = performance.now();
    // The client's map of calls cannot say that a name and its request belong together.
    const call = this.#client.runtime[rpc] as (
      request: object,
      options: { timeoutMs: number },
    ) => ReturnType<CriClient['runtime'][Rpc]>;
    try {
      const reply = await call(request, { timeoutMs: this.#timeoutMs });
      const times = this.tookMs.get(rpc) ?? [];
      this.tookMs.set(rpc, times);
      times.push(performance.now() - beganMs);
      return reply;
    } catch (error) {
      const { code, details } = error as ServiceError;
      this.failures.push({ rpc, code, text: details, atMs: performance.now() });
      throw error;
    }
  }

  #lastFailures(): string {
    return this.failures
      .slice(-10)
      .map(({ rpc, code, text }) => `  ${rpc}: ${code} ${text}`)
      .join('\n');
  }
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
