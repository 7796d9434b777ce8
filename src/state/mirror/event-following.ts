import type { EngineEvent } from '../../docker/types.js';
import type { EventLedger } from '../event-ledger.js';

/**
 * From an event to the reading of its object: Docker tells of most changes in several events at once (kill, die, stop),
 * which one reading serves, and who made the change gets the answer first.
 */
const READING_PAUSE_MS = 3;

/** Has objects read that Docker's events tell of, once for the events of one change. */
export class EventFollowing {
  readonly #ledger: EventLedger;
  readonly #read: (id: string) => void;
  /** When the last event came of each object that is to be read for it, unix ns. */
  readonly #due = new Map<string, bigint>();
  #lastMs = performance.now();

  /** `read` has an object read, unless it was read meanwhile for another reason. */
  constructor(ledger: EventLedger, read: (id: string) => void) {
    this.#ledger = ledger;
    this.#read = read;
  }

  /** When the last event came, of whatever object, in ms of the monotonic clock. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** Takes an event. */
  note(event: EngineEvent): void {
    this.#lastMs = performance.now();
    if (event.Action === 'kill') return; // what comes of it has events of its own
    const id = event.Actor.ID;
    if (!this.#ledger.tell(event)) return;
    if (!this.#due.has(id)) setTimeout(() => this.#readDue(id), READING_PAUSE_MS);
    this.#due.set(id, event.timeNano);
  }

  #readDue(id: string): void {
    const toldAtNs = this.#due.get(id) ?? 0n;
    this.#due.delete(id);
    if (!this.#ledger.isRead(id, toldAtNs)) this.#read(id);
  }
}
