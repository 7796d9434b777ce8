import { Code, CriError } from '../util/cri-error.js';
import { withTimeLimit } from '../util/time-limit.js';
import { DumpProcess, type DumpOrder } from './dump-process.js';
import type { FrozenContainers } from './frozen-containers.js';

/** A container whose state is to be written down. */
export interface Dumped {
  readonly order: DumpOrder;
}

/** What else is to be written of a container while it stands still. */
type WriteRest<One> = (one: One, signal: AbortSignal) => Promise<void>;

/** Has containers stand still, and what they are written down. */
export class Dumps {
  readonly #frozen: FrozenContainers;

  constructor(frozen: FrozenContainers) {
    this.#frozen = frozen;
  }

  /**
   * Freezes all of them before the processes of the first are written down, and lets all go on when those of the last are. No new
   * command is started in any meanwhile. When the signal aborts, and with DEADLINE_EXCEEDED when they have stood still for
   * `limitMs`, no criu is waited for any more before the others go on.
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
      withTimeLimit(limitMs, [signal], (limited) => dump(ones, limited, writeRest), reasons),
    );
  }

  /** With all of them kept from getting new commands, in the order of their ids, so that two callers do not wait for each other. */
  async #allFrozen(ones: readonly Dumped[], signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const ids = ones.map(({ order }) => order.containerId).sort();
    const [first, ...others] = ids;
    const inOrder = (id: string | undefined, rest: string[]): Promise<void> =>
      id === undefined ? work() : this.#frozen.during(id, () => inOrder(rest[0], rest.slice(1)), signal);
    await inOrder(first, others);
  }
}

async function dump<One extends Dumped>(
  ones: readonly One[],
  signal: AbortSignal,
  writeRest: WriteRest<One>,
): Promise<void> {
  const processes: { process: DumpProcess; one: One }[] = [];
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
    await Promise.all(processes.map(({ process }) => process.end()));
  }
}
