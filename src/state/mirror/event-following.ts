import type { EngineEvent } from '../../docker/types.js';
import type { EventLedger } from '../event-ledger.js';

/**
 * From an event to the reading of its object: Docker tells of most changes in several events at once (kill, die), which
 * one reading serves, and who made the change gets the answer first.
 */
const READING_PAUSE_MS = 3;

/** What is to become of an object that an event told of. */
export interface EventTargets {
  /** Has it read, unless it was read meanwhile for another reason. */
  read(id: string): void;
  /** It has been removed. */
  gone(id: string): void;
}

/** Has objects read that Docker's events tell of, once for the events of one change. */
export class EventFollowing {
  readonly #ledger: EventLedger;
  readonly #targets: EventTargets;
  /** When the last event came of each object that is to be read for it, unix ns. */
  readonly #due = new Map<string, bigint>();
  /** Docker names of what is being written, and ids that events have told of meanwhile. */
  readonly #held = new Map<string, Set<string>>();
  #lastMs = performance.now();

  constructor(ledger: EventLedger, targets: EventTargets) {
    this.#ledger = ledger;
    this.#targets = targets;
  }

  /** When the last event came, of whatever object, in ms of the monotonic clock. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** Takes an event. */
  note(event: EngineEvent): void {
    const { Action: action, Actor: actor } = event;
    const id = actor.ID;
    this.#lastMs = performance.now();
    if (action === 'kill') return; // what comes of it has events of its own
    if (action === 'destroy') {
      this.#due.delete(id);
      this.#targets.gone(id);
      return;
    }
    if (!this.#ledger.tell(event)) return;
    const isDue = this.#due.has(id);
    this.#due.set(id, event.timeNano);
    const held = this.#held.get(actor.Attributes?.['name'] ?? '');
    if (held !== undefined) held.add(id);
    else if (!isDue) setTimeout(() => this.#readDue(id), READING_PAUSE_MS);
  }

  /**
   * Does a write of the container of this Docker name, which reads what it has done itself: events of it have no reading
   * of their own meanwhile, but for what is left to be read in the end.
   */
  async during<T>(name: string, write: () => Promise<T>): Promise<T> {
    if (this.#held.has(name)) return write();
    const told = new Set<string>();
    this.#held.set(name, told);
    try {
      return await write();
    } finally {
      this.#held.delete(name);
      for (const id of told) this.#readDue(id);
    }
  }

  #readDue(id: string): void {
    const toldAtNs = this.#due.get(id);
    if (toldAtNs === undefined) return; // it is gone
    this.#due.delete(id);
    if (!this.#ledger.isRead(id, toldAtNs)) this.#targets.read(id);
  }
}
