import type { Engine } from '../docker/engine.js';
import type { ContainerInspect } from '../docker/types.js';
import { Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { EventLedger } from './event-ledger.js';
import { EngineConnection, type EngineFacts } from './mirror/connection.js';
import { EventFollowing } from './mirror/event-following.js';
import { KillCauses } from './mirror/kill-causes.js';
import { ObjectReader } from './mirror/object-reader.js';
import { Reconciliation } from './mirror/reconciliation.js';
import { Picture } from './picture.js';
import type { ObjectRecord } from './records.js';
import type { Change } from './transitions.js';

export interface MirrorOptions {
  engine: Engine;
  log: Logger;
  /** Reads an inspect into a record; undefined for containers that are not ours. `last` is what was known until now. */
  read: (inspect: ContainerInspect, last: ObjectRecord | undefined) => Promise<ObjectRecord | undefined>;
  /** Whether the kernel tells that it has killed in this container because memory ran out. Never rejects. */
  isKernelsKill: (id: string) => Promise<boolean>;
  /** What must be done before others learn of a reading. Never throws. */
  beforeTold?: (record: ObjectRecord) => Promise<void>;
  /** Full reconciliation period: the Engine drops events for readers that stall. */
  reconcileEveryMs: number;
  /** How often the Engine's list is held against the picture: the longest that lost events, or silent ones, go unseen. */
  compareEveryMs: number;
  /** Bound on the handshake and the list of one connection attempt. */
  requestTimeoutMs: number;
}

/** What wants to know when the picture changes; it subscribes before the mirror starts. */
export interface PictureListener {
  /** After each full reading: why it was made, how many records it had to correct, and which are there. */
  onResync?(reason: ResyncReason, corrected: number, ids: ReadonlySet<string>): void;
  /**
   * After each new reading of an object, once it is in the picture. `isNews` is false while everything is read for the
   * first time.
   */
  onChange?(change: Change, isNews: boolean): void;
}

export type ResyncReason = 'connect' | 'periodic';

/**
 * Keeps the Picture equal to the Engine (design: reads come from memory, writes go to the Engine), and answers those who
 * read it: a full list at connect, then Docker's events, each answered by an inspect of its container, a comparison with a
 * list every few seconds, and a full reconciliation every few minutes. While the event stream is down nothing stale is
 * served: `current` waits for the next attempt to connect and throws UNAVAILABLE when that fails. One object that cannot be
 * read costs nothing but itself: its record says so.
 */
export class Mirror {
  readonly #picture = new Picture();
  readonly #listeners: PictureListener[] = [];
  readonly #requestTimeoutMs: number;
  readonly #connection: EngineConnection;
  readonly #following: EventFollowing;
  readonly #reader: ObjectReader;
  readonly #reconciliation: Reconciliation;
  /** Objects that were made a moment ago and not read yet: who reads the picture has them read first. */
  readonly #expected = new Set<string>();
  /** True once the picture was whole for the first time. */
  #complete = false;

  constructor(options: MirrorOptions) {
    const { engine, log, requestTimeoutMs, reconcileEveryMs, compareEveryMs } = options;
    this.#requestTimeoutMs = requestTimeoutMs;
    const ledger = new EventLedger();
    this.#following = new EventFollowing(ledger, {
      read: (id) => this.#reader.note(id),
      gone: (id) => void this.removed(id).catch(() => undefined), // by then the connection has been broken off
    });
    this.#connection = new EngineConnection({
      engine,
      log,
      requestTimeoutMs,
      onEvent: (event) => {
        killCauses.tell(event);
        this.#following.note(event);
      },
      onOpen: async (signal) => {
        await this.#readAll('connect', signal);
        return { sandboxes: this.#picture.sandboxes.size, containers: this.#picture.containers.size };
      },
      onLive: (signal) => {
        this.#complete = true;
        this.#repeat(reconcileEveryMs, signal, () => this.#readAll('periodic', signal));
        this.#repeat(compareEveryMs, signal, async () => {
          await this.#reconciliation.compare(signal);
        });
      },
    });
    const killCauses = new KillCauses(this.#connection.stopping, options.isKernelsKill);
    this.#reader = new ObjectReader({
      engine,
      log,
      picture: this.#picture,
      ledger,
      killCauses,
      areEventsLive: () => this.#connection.problem === undefined,
      read: options.read,
      beforeTold: options.beforeTold ?? (() => Promise.resolve()),
      onChange: (change) => this.#tell(change),
      onEngineLost: (error) => this.#connection.breakOff(error),
      stopping: this.#connection.stopping,
    });
    this.#reconciliation = new Reconciliation({
      engine,
      log,
      picture: this.#picture,
      readings: this.#reader,
      lastEventMs: () => this.#following.lastMs,
      compareEveryMs,
    });
  }

  /** From now on `listener` is told, after those that came before it. */
  subscribe(listener: PictureListener): void {
    this.#listeners.push(listener);
  }

  /** Begins to connect and to follow; returns at once. */
  start(): void {
    this.#connection.start();
  }

  async stop(): Promise<void> {
    await this.#connection.stop();
  }

  /** Why the Engine cannot be used now, or undefined when the picture is live. */
  get problem(): string | undefined {
    return this.#connection.problem;
  }

  /** The Engine's word on itself, kept while it is away; undefined when it was never reached. */
  get facts(): EngineFacts | undefined {
    return this.#connection.facts;
  }

  /** Asks the Engine anew what it says of itself. */
  async refreshFacts(): Promise<void> {
    await this.#connection.refreshFacts();
  }

  /** The live picture. Throws UNAVAILABLE when the Engine cannot be reached, or the signal's reason. */
  async current(signal?: AbortSignal): Promise<Picture> {
    if (this.#expected.size > 0) await unlessAborted(this.#readExpected(), signal);
    return this.live(signal);
  }

  /** As `current`, at once when the Engine is there: what was made a moment ago (`expect`) may be missing. */
  async live(signal?: AbortSignal): Promise<Picture> {
    await this.#connection.untilLive(signal);
    return this.#picture;
  }

  /** The picture as far as it is known, also while the Engine is away: for what tells of changes in it. */
  get lastKnown(): Picture {
    return this.#picture;
  }

  /** The Engine's facts, waiting for the connection as `current` does. */
  async currentFacts(signal?: AbortSignal): Promise<EngineFacts> {
    await this.live(signal);
    if (this.facts === undefined)
      throw new CriError(Code.UNAVAILABLE, this.problem ?? 'nothing is known yet');
    return this.facts;
  }

  /**
   * Reads one object anew, so that what a caller did is what it reads next. Forgets it if it is gone. When the Engine cannot
   * tell of it within a moment, the record says so. One of which `isDone` holds already, as an event has brought it there, is
   * not read again.
   */
  async refresh(id: string, isDone?: (record: ObjectRecord) => boolean): Promise<ObjectRecord | undefined> {
    if (isDone !== undefined) {
      const known = await this.#whereDone(id, isDone);
      if (known !== undefined) return known;
    }
    await this.#orLost(this.#reader.sight(id));
    return this.#picture.get(id);
  }

  /** Forgets an object that the Engine has just removed. */
  async removed(id: string): Promise<void> {
    this.#expected.delete(id);
    await this.#orLost(this.#reader.gone(id));
  }

  /**
   * Does a write of the container of this Docker name that ends with `reach`: what Docker tells of it meanwhile is read by
   * that, once.
   */
  async during<T>(name: string, write: () => Promise<T>): Promise<T> {
    return this.#following.during(name, write);
  }

  /**
   * Makes the record anew where what cridock itself knows of the object has changed, such as its addresses: nothing is asked of
   * the Engine.
   */
  async remake(id: string): Promise<void> {
    await this.#orLost(this.#reader.remake(id));
  }

  /** Nobody but who knows the id sees what is made with this Docker name, nor hears of it, until it is revealed. */
  conceal(name: string): void {
    this.#picture.conceal(name);
  }

  /** As `conceal`, of an object that is there, and of which nobody has been told yet. */
  hide(record: ObjectRecord): void {
    this.#picture.hide(record);
  }

  /** Shows it, and tells of it as of something new. */
  reveal(name: string): void {
    const after = this.#picture.reveal(name);
    if (after !== undefined) this.#tell({ before: undefined, after, missedRuns: 0 });
  }

  /** Says that an object was just made: whoever reads the picture from now on finds it there. */
  expect(id: string): void {
    if (this.#picture.get(id) === undefined) this.#expected.add(id);
  }

  /**
   * The object once it is as a write has made it: Docker's event may have brought the picture there already. Otherwise
   * it is read anew, until all has been told of it or a request's time is over.
   */
  async reach(id: string, isDone: (record: ObjectRecord) => boolean): Promise<ObjectRecord | undefined> {
    const known = await this.#whereDone(id, isDone);
    if (known !== undefined) return known;
    const giveUpMs = performance.now() + this.#requestTimeoutMs;
    for (;;) {
      await this.#orLost(this.#reader.whole(id));
      const read = this.#picture.get(id);
      const isLate = read?.problem?.reason === 'NotAnswered' || read?.problem?.isLate === true;
      if (!isLate || performance.now() > giveUpMs) return read;
    }
  }

  /** The object, if a reading that is under way, or was done, shows this of it. */
  async #whereDone(id: string, isDone: (record: ObjectRecord) => boolean): Promise<ObjectRecord | undefined> {
    await this.#reader.running(id);
    const record = this.#picture.get(id);
    return record !== undefined && record.problem === undefined && isDone(record) ? record : undefined;
  }

  /** What could not be read of the picture's objects, or not now. */
  get unreadable(): ObjectRecord[] {
    const found: ObjectRecord[] = [];
    for (const record of this.#picture.sandboxes.values())
      if (record.problem !== undefined) found.push(record);
    for (const record of this.#picture.containers.values())
      if (record.problem !== undefined) found.push(record);
    return found;
  }

  async #readExpected(): Promise<void> {
    const readings = [...this.#expected].map(async (id) => {
      await this.#reader.running(id);
      if (this.#picture.get(id) === undefined) await this.#reader.sight(id);
      this.#expected.delete(id);
    });
    await Promise.all(readings).catch((error: unknown) => {
      this.#expected.clear();
      this.#connection.breakOff(error);
    });
  }

  /** Passes on what a reading throws, which is that the Engine does not answer a list. */
  async #orLost(reading: Promise<void>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      this.#connection.breakOff(error);
      throw error;
    }
  }

  /** Reads everything anew, and forgets what is gone. */
  async #readAll(reason: ResyncReason, signal: AbortSignal): Promise<void> {
    const corrected = await this.#reconciliation.readAll(signal);
    const present = new Set(this.#picture.ids());
    for (const listener of this.#listeners) listener.onResync?.(reason, corrected, present);
  }

  #tell(change: Change): void {
    const id = change.after?.id ?? change.before?.id ?? '';
    this.#expected.delete(id);
    if (change.after !== undefined && this.#picture.isConcealed(change.after)) return;
    for (const listener of this.#listeners) listener.onChange?.(change, this.#complete);
  }

  /** Does the work again and again while the connection lasts, never twice at a time; its failure ends the connection. */
  #repeat(everyMs: number, signal: AbortSignal, work: () => Promise<void>): void {
    let isRunning = false;
    const timer = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      work()
        .catch((error: unknown) => {
          if (!signal.aborted) this.#connection.breakOff(error);
        })
        .finally(() => (isRunning = false));
    }, everyMs);
    signal.addEventListener('abort', () => clearInterval(timer));
  }
}
