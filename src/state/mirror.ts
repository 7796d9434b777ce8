import { setTimeout as delay } from 'node:timers/promises';
import { KIND_LABEL } from '../convert/text/labels.js';
import type { Engine, Negotiated } from '../docker/engine.js';
import type { ContainerInspect, EngineEvent, EngineInfo } from '../docker/types.js';
import { forEachLimited } from '../util/concurrency.js';
import { Code, CriError, hasCode, messageOf } from '../util/cri-error.js';
import { deferred } from '../util/deferred.js';
import type { Logger } from '../util/log.js';
import { unlessAborted } from '../util/unless-aborted.js';
import { EventLedger, type Reading } from './event-ledger.js';
import { Picture } from './picture.js';
import type { ObjectRecord } from './records.js';
import { Refresher } from './refresher.js';
import type { Change } from './transitions.js';
import { untoldChanges } from './untold-changes.js';

/** What changes the state of a container, and nothing else: the exec events of probes stay in the Engine. */
const WATCHED_ACTIONS = [
  ...['create', 'start', 'die', 'destroy', 'oom', 'pause', 'unpause', 'update', 'rename', 'restart', 'stop'],
];

/**
 * From an event to the reading of its object: Docker tells of most changes in several events at once (kill, die, stop),
 * which one reading serves, and who made the change gets the answer first.
 */
const READING_PAUSE_MS = 3;

/** How long the event stream may take to answer; the events themselves come when they come. */
const OPEN_EVENTS_TIMEOUT_MS = 10_000;
/** From a list that shows a change to the event that tells of it; a busy Engine has been seen to take over a second. */
const EVENT_DELAY_MS = 3_000;

const INSPECTS_AT_A_TIME = 8;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;

export interface MirrorOptions {
  engine: Engine;
  log: Logger;
  /** Reads an inspect into a record; undefined for containers that are not ours. */
  read: (inspect: ContainerInspect) => Promise<ObjectRecord | undefined>;
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

/** What the Engine said of itself when it was last reached. */
export interface EngineFacts {
  negotiated: Negotiated;
  info: EngineInfo;
}

/**
 * Keeps the Picture equal to the Engine (design: reads come from memory, writes go to the Engine): a full list at
 * connect, then Docker's events, each answered by an inspect of its container, a comparison with a list every few
 * seconds, and a full reconciliation every few minutes. While the event stream is down nothing stale is served:
 * `current` waits for the next attempt to connect and throws UNAVAILABLE when that fails.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #picture = new Picture();
  readonly #listeners: PictureListener[] = [];
  readonly #refresher: Refresher;
  readonly #stop = new AbortController();
  readonly #ledger = new EventLedger();
  /** True once the picture was whole for the first time. */
  #complete = false;
  /** Objects that were made a moment ago and not read yet: who reads the picture has them read first. */
  readonly #expected = new Set<string>();
  /** When the last event came of each object that is to be read for it, unix ns. */
  readonly #due = new Map<string, bigint>();
  /** Listed objects that no record is made of. */
  readonly #leftOut = new Set<string>();
  #facts: EngineFacts | undefined;
  #synced = false;
  #problem = 'not connected yet';
  /** The attempt that is under way; settles with its outcome. */
  #attempt = deferred();
  /** Ends the pause before the next attempt. */
  #hurry: () => void = () => undefined;
  /** Breaks the present event stream off, so that everything is read anew. */
  #breakOff: (reason: Error) => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#refresher = new Refresher((id) => this.#readOne(id));
  }

  /** From now on `listener` is told, after those that came before it. */
  subscribe(listener: PictureListener): void {
    this.#listeners.push(listener);
  }

  /** Begins to connect and to follow; returns at once. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new CriError(Code.UNAVAILABLE, 'cridock is stopping'));
    await this.#running;
  }

  /** Why the Engine cannot be used now, or undefined when the picture is live. */
  get problem(): string | undefined {
    return this.#synced ? undefined : this.#problem;
  }

  /** The Engine's word on itself, kept while it is away; undefined when it was never reached. */
  get facts(): EngineFacts | undefined {
    return this.#facts;
  }

  /** The live picture. Throws UNAVAILABLE when the Engine cannot be reached, or the signal's reason. */
  async current(signal?: AbortSignal): Promise<Picture> {
    if (this.#expected.size > 0) await unlessAborted(this.#readExpected(), signal);
    return this.live(signal);
  }

  /** As `current`, at once when the Engine is there: what was made a moment ago (`expect`) may be missing. */
  async live(signal?: AbortSignal): Promise<Picture> {
    if (!this.#synced) {
      this.#hurry();
      await unlessAborted(this.#attempt.promise, signal);
    }
    return this.#picture;
  }

  /** The picture as far as it is known, also while the Engine is away: for what tells of changes in it. */
  get lastKnown(): Picture {
    return this.#picture;
  }

  /** The Engine's facts, waiting for the connection as `current` does. */
  async currentFacts(signal?: AbortSignal): Promise<EngineFacts> {
    await this.live(signal);
    if (this.#facts === undefined) throw new CriError(Code.UNAVAILABLE, this.#problem);
    return this.#facts;
  }

  /** Asks the Engine anew what it says of itself. */
  async refreshFacts(): Promise<void> {
    const before = this.#facts;
    const info = await this.#options.engine.info({ signal: this.#stop.signal });
    // A connection that was made meanwhile has asked by itself.
    if (before !== undefined && this.#facts === before) this.#facts = { ...before, info };
  }

  /** Reads one object anew, so that what a caller did is what it reads next. Forgets it if it is gone. */
  async refresh(id: string): Promise<ObjectRecord | undefined> {
    await this.#refresher.request(id);
    return this.#picture.get(id);
  }

  /** Says that an object was just made: whoever reads the picture from now on finds it there. */
  expect(id: string): void {
    if (this.#picture.get(id) === undefined) this.#expected.add(id);
  }

  /**
   * The object once it is as a write has made it: Docker's event may have brought the picture there already. Otherwise
   * it is read anew.
   */
  async reach(id: string, isDone: (record: ObjectRecord) => boolean): Promise<ObjectRecord | undefined> {
    await this.#refresher.running(id);
    const record = this.#picture.get(id);
    return record !== undefined && isDone(record) ? record : this.refresh(id);
  }

  async #run(): Promise<void> {
    let pauseMs = 0;
    while (!this.#stop.signal.aborted) {
      if (pauseMs > 0) await this.#pause(pauseMs);
      const connected = await this.#followOnce();
      pauseMs = connected
        ? FIRST_RETRY_MS
        : Math.min(LONGEST_RETRY_MS, Math.max(FIRST_RETRY_MS, pauseMs * 2));
    }
    this.#attempt.reject(this.#stop.signal.reason as Error);
  }

  /** One connection from handshake to loss; says whether it ever was in step. Never throws. */
  async #followOnce(): Promise<boolean> {
    const stream = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, stream.signal]);
    this.#breakOff = (reason) => stream.abort(reason);
    try {
      await this.#connect(signal, stream);
      return this.#lost('Docker closed its event stream');
    } catch (error) {
      return this.#lost(messageOf(stream.signal.aborted ? stream.signal.reason : error));
    } finally {
      stream.abort(new CriError(Code.UNAVAILABLE, 'the event stream has ended'));
    }
  }

  /** From now on nothing is read from the picture. Says whether it was live. */
  #lost(problem: string): boolean {
    const wasSynced = this.#synced;
    this.#synced = false;
    this.#problem = problem;
    if (this.#stop.signal.aborted) return wasSynced;
    if (wasSynced) {
      this.#options.log.warn('lost the Docker Engine, reads wait until it is back', { problem });
      return true;
    }
    this.#options.log.debug('Docker Engine not reached', { problem });
    // Only a failed attempt answers those who wait for it: after a loss they wait for the next one.
    this.#attempt.reject(new CriError(Code.UNAVAILABLE, `Docker Engine is not available: ${problem}`));
    this.#attempt = deferred();
    return false;
  }

  /** Handshake, subscription, full read; then follows until the stream ends. */
  async #connect(signal: AbortSignal, stream: AbortController): Promise<void> {
    const { engine, requestTimeoutMs, log } = this.#options;
    const tooLong = setTimeout(() => {
      stream.abort(new CriError(Code.UNAVAILABLE, `Docker did not answer within ${requestTimeoutMs} ms`));
    }, requestTimeoutMs);
    let reconcile: NodeJS.Timeout | undefined;
    let compare: NodeJS.Timeout | undefined;
    try {
      const negotiated = await engine.negotiate({ signal });
      this.#facts = { negotiated, info: await engine.info({ signal }) };
      const opened = deferred();
      const followed = engine.followEvents({
        filters: { type: ['container'], event: WATCHED_ACTIONS, label: [KIND_LABEL] },
        signal,
        onOpen: opened.resolve,
        onEvent: (event) => this.#onEvent(event),
      });
      followed.then(
        () => opened.reject(new CriError(Code.UNAVAILABLE, 'Docker closed its event stream')),
        opened.reject,
      );
      await this.#openedInTime(opened.promise, stream);
      await this.#readAll('connect', signal);
      clearTimeout(tooLong);
      this.#synced = true;
      this.#complete = true;
      log.info('in step with the Docker Engine', {
        engineVersion: negotiated.version.Version,
        apiVersion: negotiated.apiVersion,
        sandboxes: this.#picture.sandboxes.size,
        containers: this.#picture.containers.size,
      });
      this.#attempt.resolve();
      this.#attempt = deferred();
      reconcile = setInterval(() => {
        this.#readAll('periodic', signal).catch((error: unknown) => stream.abort(error));
      }, this.#options.reconcileEveryMs);
      compare = setInterval(() => {
        this.#compare(signal).catch((error: unknown) => stream.abort(error));
      }, this.#options.compareEveryMs);
      await followed;
    } finally {
      clearTimeout(tooLong);
      clearInterval(reconcile);
      clearInterval(compare);
    }
  }

  async #openedInTime(opened: Promise<void>, stream: AbortController): Promise<void> {
    const timer = setTimeout(() => {
      const seconds = OPEN_EVENTS_TIMEOUT_MS / 1_000;
      stream.abort(new CriError(Code.UNAVAILABLE, `Docker did not open its event stream for ${seconds}s`));
    }, OPEN_EVENTS_TIMEOUT_MS);
    try {
      await opened;
    } finally {
      clearTimeout(timer);
    }
  }

  /** An event stream can lose events, or bring none without being closed. Then a list shows what it did not tell. */
  async #compare(signal: AbortSignal): Promise<void> {
    const listed = await this.#options.engine.listContainers([KIND_LABEL], { signal });
    const changes = untoldChanges(listed, this.#picture, this.#leftOut);
    if (changes.length === 0) return;
    await delay(EVENT_DELAY_MS, undefined, { signal });
    const untold = changes.filter(({ id, record }) => this.#picture.get(id) === record);
    if (untold.length === 0) return;
    throw new CriError(Code.UNAVAILABLE, `Docker's events did not tell of ${untold.length} changes`);
  }

  #onEvent(event: EngineEvent): void {
    const id = event.Actor.ID;
    if (!this.#ledger.tell(event)) return;
    if (!this.#due.has(id)) setTimeout(() => this.#readDue(id), READING_PAUSE_MS);
    this.#due.set(id, event.timeNano);
  }

  /** Unless it was read meanwhile for another reason. */
  #readDue(id: string): void {
    const toldAtNs = this.#due.get(id) ?? 0n;
    this.#due.delete(id);
    if (this.#stop.signal.aborted || this.#ledger.isRead(id, toldAtNs)) return;
    this.#refresher.request(id).catch((error: unknown) => this.#startOver(error));
  }

  async #readExpected(): Promise<void> {
    const readings = [...this.#expected].map((id) => this.reach(id, () => true));
    await Promise.all(readings).catch((error: unknown) => this.#startOver(error));
  }

  /** Without a reading that failed the picture may be wrong: all of it is read anew. */
  #startOver(error: unknown): void {
    this.#lost(messageOf(error));
    this.#expected.clear();
    this.#breakOff(error instanceof Error ? error : new Error(String(error)));
  }

  /** Reads everything anew, and forgets what is gone. */
  async #readAll(reason: ResyncReason, signal: AbortSignal): Promise<void> {
    const listed = await this.#options.engine.listContainers([KIND_LABEL], { signal });
    const ids = new Set([...listed.map((entry) => entry.Id), ...this.#picture.ids()]);
    let corrected = 0;
    await forEachLimited(ids, INSPECTS_AT_A_TIME, async (id) => {
      signal.throwIfAborted();
      const before = this.#picture.get(id);
      await this.#refresher.request(id);
      if (before?.status !== this.#picture.get(id)?.status) corrected += 1;
    });
    const present = new Set(this.#picture.ids());
    for (const listener of this.#listeners) listener.onResync?.(reason, corrected, present);
  }

  async #readOne(id: string): Promise<void> {
    const reading = this.#ledger.begin(id);
    try {
      const record = await this.#options.read(await this.#options.engine.inspectContainer(id));
      if (record !== undefined) {
        this.#put(reading, record);
        return;
      }
      this.#forget(reading);
      this.#leftOut.add(id);
    } catch (error) {
      if (!hasCode(error, Code.NOT_FOUND)) throw error;
      this.#forget(reading);
    }
  }

  #put(reading: Reading, record: ObjectRecord): void {
    this.#expected.delete(record.id);
    this.#leftOut.delete(record.id);
    const before = this.#picture.get(record.id);
    this.#picture.put(record);
    const missedRuns = this.#ledger.show(reading, record, before);
    this.#tell({ before, after: record, missedRuns });
  }

  #forget(reading: Reading): void {
    const { id } = reading;
    this.#expected.delete(id);
    this.#leftOut.delete(id);
    const missedRuns = this.#ledger.close(reading);
    const before = this.#picture.get(id);
    if (before === undefined) return;
    this.#picture.delete(id);
    this.#tell({ before, after: undefined, missedRuns });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener.onChange?.(change, this.#complete);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#hurry = end;
      this.#stop.signal.addEventListener('abort', end);
    });
    this.#hurry = () => undefined;
  }
}
