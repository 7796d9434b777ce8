import { Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { withTimeLimit } from '../util/time-limit.js';
import { within } from '../util/within.js';
import { nameOfDump } from './dump-end.js';
import { DumpProcess, type DumpOrder } from './dump-process.js';
import type { FrozenContainers } from './frozen-containers.js';
import type { WorkFolder } from './work-folders.js';

/** A container whose state is to be written down. */
export interface Dumped {
  readonly order: DumpOrder;
  readonly folder: Pick<WorkFolder, 'leave'>;
}

/** What else is to be written of a container while it stands still. */
type WriteRest<One> = (one: One, signal: AbortSignal) => Promise<void>;

/** How long a criu whose work nobody wants any more is waited for: it lets a container go within moments, or hangs. */
const PATIENCE_MS = 30_000;

/** Has containers stand still while they are written down. */
export class Dumps {
  readonly #frozen: FrozenContainers;
  readonly #log: Logger;
  readonly #patienceMs: number;

  constructor(frozen: FrozenContainers, log: Logger, patienceMs = PATIENCE_MS) {
    this.#frozen = frozen;
    this.#log = log;
    this.#patienceMs = patienceMs;
  }

  /**
   * Freezes all of them before the processes of the first are written down, and lets all go on when those of the last are. No new
   * command is started in any meanwhile. When the signal aborts, and with DEADLINE_EXCEEDED when they have stood still for
   * `limitMs`, no criu is waited for any more before the others go on. A container whose criu does not end is stuck from then on, and
   * its folder is left to that: FAILED_PRECONDITION where nothing else failed.
   */
  async take<One extends Dumped>(
    ones: readonly One[],
    limitMs: number,
    signal: AbortSignal,
    writeRest: WriteRest<One>,
  ): Promise<void> {
    const tooLong = (): CriError => {
      const seconds = limitMs / 1000;
      return new CriError(
        Code.DEADLINE_EXCEEDED,
        `the containers were not written down within ${seconds}s, and are not kept still for longer`,
      );
    };
    const reasons = { ofCaller: (reason: unknown) => reason, ofTimeout: tooLong };
    await this.#allFrozen(ones, signal, () =>
      withTimeLimit(limitMs, [signal], (limited) => this.#dump(ones, limited, writeRest), reasons),
    );
  }

  /**
   * Has whoever wants a container wait while an earlier cridock's criu is still at it; `outlast` waits for its end. Nobody can be had
   * wait where it is not known which container that is: ''.
   */
  async outlast(containerId: string, work: string, outlast: () => Promise<void>): Promise<void> {
    const ended = async (): Promise<void> => {
      const end = outlast();
      if (!(await within(this.#patienceMs, end))) await this.#leave(containerId, work, end);
    };
    await (containerId === '' ? ended() : this.#frozen.during(containerId, ended));
  }

  /** With all of them kept from getting new commands, in the order of their ids, so that two callers do not wait for each other. */
  async #allFrozen(ones: readonly Dumped[], signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const ids = ones.map(({ order }) => order.containerId).sort();
    const [first, ...others] = ids;
    const inOrder = (id: string | undefined, rest: string[]): Promise<void> =>
      id === undefined ? work() : this.#frozen.during(id, () => inOrder(rest[0], rest.slice(1)), signal);
    await inOrder(first, others);
  }

  async #dump<One extends Dumped>(
    ones: readonly One[],
    signal: AbortSignal,
    writeRest: WriteRest<One>,
  ): Promise<void> {
    const processes: { process: DumpProcess; one: One }[] = [];
    let hung: readonly (string | undefined)[];
    try {
      for (const one of ones) {
        signal.throwIfAborted();
        processes.push({ process: await DumpProcess.start(one.order), one });
      }
      // Each of them is over before any goes on: none freezes its container again.
      const outcomes = await Promise.allSettled(processes.map(({ process }) => process.frozen(signal)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      for (const { process, one } of processes) {
        signal.throwIfAborted();
        await process.dump(signal);
        await process.stillFrozen(signal);
        await writeRest(one, signal);
      }
    } finally {
      hung = await Promise.all(processes.map(({ process, one }) => this.#end(process, one)));
    }
    for (const reason of hung) if (reason !== undefined) throw new CriError(Code.FAILED_PRECONDITION, reason);
  }

  /** Returns why the container stands still, where it does not go on. */
  async #end(
    process: DumpProcess,
    { order: { containerId, work }, folder }: Dumped,
  ): Promise<string | undefined> {
    if (await process.end(this.#patienceMs)) return undefined;
    return this.#leave(containerId, work, folder.leave());
  }

  /** No second criu must come to it, and nobody wait for the first: returns why. Stops and removals ask nobody here. */
  async #leave(containerId: string, work: string, end: Promise<void>): Promise<string> {
    const what = await nameOfDump(work);
    const reason =
      `container ${containerId} stands still: criu (${what}) has not let it go, and the Engine cannot end it either. It goes on ` +
      'when criu ends; where that hangs, end it by SIGKILL, which the container may not survive';
    if (containerId !== '') this.#frozen.stuck(containerId, reason, end);
    this.#log.warn('criu does not let a container go', { containerId, criu: what, path: work });
    return reason;
  }
}
