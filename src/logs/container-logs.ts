import type { Engine } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { LogFollower, type LogProblem, type LogSource } from './log-follower.js';
import { openLog } from './open-log.js';

/** The end of a container is held back for its log no longer than this. */
const LONGEST_DRAIN_MS = 10_000;

/**
 * The logs of all containers that cridock writes itself. Which to write is told by `observe`, with each reading of a
 * container: so it is found out anew after a restart, of cridock or of the Engine, without a record of its own.
 */
export class ContainerLogs {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #followers = new Map<string, LogFollower>();

  constructor(engine: Engine, log: Logger) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Makes the empty file, and the folders above it, before the container starts. Throws INTERNAL. */
  async prepare({ path }: LogSource): Promise<void> {
    try {
      await (await openLog(path)).close();
    } catch (error) {
      throw new CriError(Code.INTERNAL, `cannot make log ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * Takes note of a container that runs or has ended; `told` is what the Engine has just told of it. For one that has ended it resolves when its log is complete, so that
   * nobody learns of the end before: the kubelet stops reading a log then. Never longer than some seconds.
   */
  async observe(source: LogSource, running: boolean, told?: ContainerInspect): Promise<void> {
    const follower = this.#followers.get(source.id) ?? this.#follow(source, told);
    if (running) return;
    follower.noteEnd(told);
    if (follower.problem !== undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_DRAIN_MS);
    });
    await Promise.race([follower.done, tooLong]);
    clearTimeout(timer);
  }

  /** Goes on in a new file (CRI: ReopenContainerLog). Throws FAILED_PRECONDITION when no log is written, or no longer. */
  async reopen(id: string): Promise<void> {
    const follower = this.#followers.get(id);
    if (follower === undefined) throw new CriError(Code.FAILED_PRECONDITION, `no log is written for ${id}`);
    try {
      await follower.reopen();
    } catch (error) {
      if (error instanceof CriError) throw error;
      throw new CriError(Code.INTERNAL, `cannot reopen the log: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * Whether this log goes on in a file that cridock made unasked: the kubelet renamed the old one while cridock was not there,
   * and is about to ask for a new one. If it were refused that, it would put the old one in the place of what was written since.
   */
  awaitsReopen(id: string): boolean {
    return this.#followers.get(id)?.madeFileUnasked ?? false;
  }

  /** Why the log of this container is not written, or undefined. */
  problemOf(id: string): LogProblem | undefined {
    return this.#followers.get(id)?.problem;
  }

  /** Whether nothing more will be written to the log of this container. */
  isComplete(id: string): boolean {
    return this.#followers.get(id)?.isDone ?? true;
  }

  /** How many containers' logs are being written. */
  get followed(): number {
    return [...this.#followers.values()].filter(({ isDone }) => !isDone).length;
  }

  /** Forgets the complete logs of all but these containers. */
  retain(ids: ReadonlySet<string>): void {
    for (const [id, { isDone }] of this.#followers) {
      if (isDone && !ids.has(id)) this.#followers.delete(id);
    }
  }

  /** Writes what has been read of the log of a container that is gone, and forgets it. The file stays. */
  async forget(id: string): Promise<void> {
    const follower = this.#followers.get(id);
    this.#followers.delete(id);
    await follower?.stop();
  }

  /** Writes what has been read, and ends. */
  async stop(): Promise<void> {
    await Promise.all([...this.#followers.keys()].map((id) => this.forget(id)));
  }

  #follow(source: LogSource, told: ContainerInspect | undefined): LogFollower {
    const follower = new LogFollower(this.#engine, source, this.#log, told);
    this.#followers.set(source.id, follower);
    return follower;
  }
}
