import { KIND_LABEL, SANDBOX_KIND } from '../../convert/text/labels.js';
import type { ContainerInspect, EngineEvent } from '../../docker/types.js';
import { deferred, type Deferred } from '../../util/deferred.js';
import type { ObjectRecord } from '../records.js';

/** An end is held back no longer than this for the event that explains it. */
const LONGEST_WAIT_MS = 2_000;
/** What Docker tells of a first process that a SIGKILL has ended. */
const KILLED = 137;
const SIGKILL = /^(9|(SIG)?KILL)$/;

/** What the Engine has told of the present run of a container. */
interface Run {
  ranOutOfMemory: boolean;
  wasAskedFor: boolean;
  /** Resolves when memory ran out, or somebody asked the Engine for a SIGKILL. */
  readonly explained: Deferred;
}

/**
 * Why containers were killed. That memory ran out is told by a process of its own (a watcher of the cgroup in containerd's
 * shim), which a busy machine runs after the one that tells of the end: then the Engine's inspect knows of a kill only, for
 * a moment, or for good (Engine 20.10 takes no note of an `oom` that comes after the end, and no watcher tells of a kill that
 * comes before it has begun to watch). The kubelet reads a status once: the kernel itself is asked of each end, and one by a
 * SIGKILL that nobody has asked for is then held back until that event came, for a while at most.
 */
export class KillCauses {
  readonly #runs = new Map<string, Run>();
  readonly #stopping: AbortSignal;
  readonly #isKernelsKill: (id: string) => Promise<boolean>;

  /** @param isKernelsKill whether the kernel tells that it has killed in this container for memory. Never rejects. */
  constructor(stopping: AbortSignal, isKernelsKill: (id: string) => Promise<boolean>) {
    this.#stopping = stopping;
    this.#isKernelsKill = isKernelsKill;
  }

  /** Takes note of an event. The Engine tells that it kills before it tells of the end. */
  tell({ Action: action, Actor: { ID: id, Attributes: attributes } }: EngineEvent): void {
    if (action === 'start' || action === 'destroy') this.forget(id);
    const isKill = action === 'kill' && SIGKILL.test(attributes?.['signal'] ?? '');
    if (action !== 'oom' && !isKill) return;
    const run = this.#runOf(id);
    run.explained.resolve();
    if (action === 'oom') run.ranOutOfMemory = true;
    else run.wasAskedFor = true;
  }

  /**
   * The inspect with what the events tell of the end. Waits where it shows an end that is not explained yet, and that is news:
   * `before` is what was known until now, `areEventsLive` says that events come.
   */
  async explained(
    inspect: ContainerInspect,
    before: ObjectRecord | undefined,
    areEventsLive: boolean,
  ): Promise<ContainerInspect> {
    const { Id: id, State: state } = inspect;
    const isEnd = state.Status === 'exited' || state.Status === 'dead';
    if (!isEnd || state.OOMKilled) return inspect;
    const isNews = before?.status !== 'exited' && before?.status !== 'dead';
    const isSandbox = inspect.Config.Labels?.[KIND_LABEL] === SANDBOX_KIND;
    if (!isSandbox) {
      const isKilled = state.ExitCode === KILLED;
      // A first process that outlives its children's kill ends as it likes, and the watcher may have begun after that kill.
      if (isKilled || isNews) await this.#askKernel(id);
      if (isKilled && isNews && areEventsLive) await this.#explanation(id);
    }
    if (this.#runs.get(id)?.ranOutOfMemory !== true) return inspect;
    return { ...inspect, State: { ...state, OOMKilled: true } };
  }

  /** The container is gone. */
  forget(id: string): void {
    this.#runs.get(id)?.explained.resolve();
    this.#runs.delete(id);
  }

  async #askKernel(id: string): Promise<void> {
    const known = this.#runs.get(id);
    if (known?.ranOutOfMemory === true || known?.wasAskedFor === true) return;
    if (!(await this.#isKernelsKill(id))) return;
    const run = this.#runOf(id);
    run.ranOutOfMemory = true;
    run.explained.resolve();
  }

  async #explanation(id: string): Promise<void> {
    if (this.#stopping.aborted) return;
    const { explained } = this.#runOf(id);
    const timer = setTimeout(explained.resolve, LONGEST_WAIT_MS);
    this.#stopping.addEventListener('abort', explained.resolve);
    try {
      await explained.promise;
    } finally {
      clearTimeout(timer);
      this.#stopping.removeEventListener('abort', explained.resolve);
    }
  }

  #runOf(id: string): Run {
    let run = this.#runs.get(id);
    if (run === undefined) {
      run = { ranOutOfMemory: false, wasAskedFor: false, explained: deferred() };
      this.#runs.set(id, run);
    }
    return run;
  }
}
