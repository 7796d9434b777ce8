import type { Mirror } from '../state/mirror.js';
import type { SandboxRecord } from '../state/records.js';
import { transitionsOf, type Change, type Transition } from '../state/transitions.js';
import { Code, CriError } from '../util/cri-error.js';

/** One step in the life of a sandbox or container, as it waits for a reader. */
export interface LifeEvent {
  readonly id: string;
  readonly transition: Transition;
  readonly sandboxId: string;
  /** The pod as it was known when this happened; undefined for a container whose sandbox was gone long before. */
  readonly sandbox: SandboxRecord | undefined;
}

/** So many events may wait for a reader: about a minute of the fastest that an Engine starts and ends containers. */
const MAX_WAITING = 16_384;

/** Tells every reader of every step, in order. */
export class EventFeed {
  readonly #mirror: Mirror;
  readonly #onTransition: (transition: Transition) => void;
  readonly #readers = new Set<EventReader>();
  /** Sandboxes that are gone while containers of theirs are not. */
  readonly #gone = new Map<string, SandboxRecord>();

  /** Follows the mirror's picture. `onTransition` is told of each step, whether anybody reads or not. */
  constructor(mirror: Mirror, onTransition: (transition: Transition) => void) {
    this.#mirror = mirror;
    this.#onTransition = onTransition;
    mirror.subscribe({
      onChange: (change, isNews) => {
        if (isNews) this.#note(change);
      },
    });
  }

  /** How many readers there are. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Takes note of a change that is in the picture already. */
  #note(change: Change): void {
    const record = change.after ?? change.before;
    if (record === undefined) return;
    const sandboxId = record.kind === 'sandbox' ? record.id : record.sandboxId;
    const sandbox =
      record.kind === 'sandbox'
        ? record
        : (this.#mirror.lastKnown.sandboxes.get(sandboxId) ?? this.#gone.get(sandboxId));
    for (const transition of transitionsOf(change)) {
      this.#onTransition(transition);
      const event = { id: record.id, transition, sandboxId, sandbox };
      for (const reader of this.#readers) reader.push(event);
    }
    if (change.after === undefined) this.#rememberPod(sandboxId, sandbox);
  }

  /** All steps from now on. The reader must be closed in the end. */
  subscribe(): EventReader {
    const reader = new EventReader(() => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  #rememberPod(sandboxId: string, sandbox: SandboxRecord | undefined): void {
    const picture = this.#mirror.lastKnown;
    const isNeeded =
      picture.sandboxes.get(sandboxId) === undefined && picture.membersOf(sandboxId).length > 0;
    if (isNeeded && sandbox !== undefined) this.#gone.set(sandboxId, sandbox);
    else this.#gone.delete(sandboxId);
  }
}

/** The events that wait for one reader. */
export class EventReader {
  readonly #onClose: () => void;
  #waiting: LifeEvent[] = [];
  #next = 0;
  #isTooSlow = false;
  #wake: () => void = () => undefined;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  push(event: LifeEvent): void {
    if (this.#waiting.length - this.#next >= MAX_WAITING) {
      this.#isTooSlow = true;
      this.#waiting = [];
      this.#next = 0;
      this.close();
    } else {
      this.#waiting.push(event);
    }
    this.#wake();
  }

  /** The next event that waits, undefined for none. Throws RESOURCE_EXHAUSTED once events had to be given up. */
  take(): LifeEvent | undefined {
    if (this.#isTooSlow) {
      throw new CriError(
        Code.RESOURCE_EXHAUSTED,
        `more than ${MAX_WAITING} events waited to be read: some are lost; subscribe again and list`,
      );
    }
    const event = this.#waiting[this.#next];
    if (event === undefined) return undefined;
    this.#next += 1;
    if (this.#next >= 1024 || this.#next === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return event;
  }

  /** Resolves when something happens; to be called when nothing waits. */
  async changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  close(): void {
    this.#onClose();
  }
}
