import type { EngineEvent } from '../docker/types.js';
import { startOf } from './transitions.js';
import type { ObjectRecord } from './records.js';

/** How many runs of an object the Engine has told of, and how many readings have shown. */
interface Runs {
  told: number;
  shown: number;
}

/** A reading that is under way. */
export interface Reading {
  readonly id: string;
  /** The runs that the Engine had told of before it began: it is not older than any of them. */
  readonly runsTold: number;
}

/**
 * What Docker's events have told of each object, against what readings of it have shown: an event from before a reading
 * needs no other, and a run that came and went between two readings is counted all the same.
 */
export class EventLedger {
  /** When the last reading of each object began, unix ns: events from before it are in what it gives. */
  readonly #readAtNs = new Map<string, bigint>();
  readonly #runs = new Map<string, Runs>();

  /** Takes note of an event. Says whether the object has to be read for it. */
  tell({ Action: action, Actor: { ID: id }, timeNano }: EngineEvent): boolean {
    if (action === 'start') this.#runsOf(id).told += 1;
    return !this.isRead(id, timeNano);
  }

  /**
   * True when the last reading began after what was told then, and no run is left to be shown. A reading that lies in the
   * future, since the clock was put back, says nothing.
   */
  isRead(id: string, toldAtNs: bigint): boolean {
    const readAtNs = this.#readAtNs.get(id) ?? 0n;
    const { told, shown } = this.#runsOf(id);
    return toldAtNs < readAtNs && readAtNs <= nowNs() && told <= shown;
  }

  /** A reading of the object begins. */
  begin(id: string): Reading {
    this.#readAtNs.set(id, nowNs());
    return { id, runsTold: this.#runs.get(id)?.told ?? 0 };
  }

  /** The reading has given this record; `before` is the one that it takes the place of. Answers how many runs no reading shows. */
  show({ id, runsTold }: Reading, record: ObjectRecord, before: ObjectRecord | undefined): number {
    const runs = this.#runsOf(id);
    if (startOf(record) !== 0n && startOf(record) !== startOf(before)) runs.shown += 1;
    const missedRuns = Math.max(0, runsTold - runs.shown);
    runs.shown += missedRuns;
    return missedRuns;
  }

  /** The reading has found the object gone. Answers how many of its runs no reading has shown. */
  close({ id, runsTold }: Reading): number {
    const missedRuns = Math.max(0, runsTold - this.#runsOf(id).shown);
    this.#readAtNs.delete(id);
    this.#runs.delete(id);
    return missedRuns;
  }

  #runsOf(id: string): Runs {
    let runs = this.#runs.get(id);
    if (runs === undefined) {
      runs = { told: 0, shown: 0 };
      this.#runs.set(id, runs);
    }
    return runs;
  }
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
