import { setTimeout as delay } from 'node:timers/promises';
import { KIND_LABEL } from '../../convert/text/labels.js';
import type { Engine } from '../../docker/engine.js';
import type { ContainerInspect, ContainerListEntry } from '../../docker/types.js';
import { Code, hasCode, messageOf } from '../../util/cri-error.js';
import { deferred, type Deferred } from '../../util/deferred.js';
import type { Logger } from '../../util/log.js';
import { Slots } from '../../util/slots.js';
import type { EventLedger, Reading } from '../event-ledger.js';
import type { Picture } from '../picture.js';
import type { ObjectRecord, RecordProblem } from '../records.js';
import { Refresher } from '../refresher.js';
import type { Change } from '../transitions.js';
import type { KillCauses } from './kill-causes.js';
import { listedInspect } from './listed-inspect.js';

/** Of inspects that the Engine has not kept waiting for long. */
const INSPECTS_AT_A_TIME = 16;
/** So long others wait for the reading of one object: then it is told as what it last was, in the state that the list has it in. */
const PATIENCE_MS = 1_000;
/** The pauses before what could not be read is read again. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;

const NOT_ANSWERED = `the Engine has not answered for ${PATIENCE_MS / 1_000}s`;

interface OverdueReading {
  /** Tells of the object anew by the Engine's list; false when its inspect has ended meanwhile, which then tells. */
  readonly lookAgain: () => Promise<boolean>;
  readonly giveUp: () => void;
}

export interface ObjectReaderOptions {
  engine: Engine;
  log: Logger;
  picture: Picture;
  ledger: EventLedger;
  killCauses: KillCauses;
  areEventsLive: () => boolean;
  /** Reads an inspect into a record; undefined for containers that are not ours. `last` is what was known until now. */
  read: (inspect: ContainerInspect, last: ObjectRecord | undefined) => Promise<ObjectRecord | undefined>;
  /** What must be done before others learn of a reading, such as to complete the log of a container that has ended. Never throws. */
  beforeTold: (record: ObjectRecord) => Promise<void>;
  /** Told of each change, once it is in the picture. */
  onChange: (change: Change) => void;
  /** A reading that nobody waits for found that the Engine does not answer a list. */
  onEngineLost: (error: unknown) => void;
  stopping: AbortSignal;
}

/**
 * Reads objects into the picture, one by one: what one of them costs it costs nobody else. One that the Engine cannot read,
 * or not now, is told as what it last was, in the state that the Engine's list has it in; its record says so (`problem`),
 * and it is read again with growing pauses. Only a list that fails too says that the Engine is lost.
 */
export class ObjectReader {
  readonly #options: ObjectReaderOptions;
  readonly #refresher: Refresher;
  readonly #lists: Refresher;
  readonly #slots = new Slots(INSPECTS_AT_A_TIME);
  /** What is to be read of the Engine, and not only made anew of what it told last. */
  readonly #stale = new Set<string>();
  readonly #leftOut = new Set<string>();
  readonly #inspects = new Set<AbortController>();
  /** Readings whose inspect hangs. */
  readonly #overdue = new Map<string, OverdueReading>();
  /** Who waits for an object, until its reading is done or overdue. */
  readonly #waiters = new Map<string, Set<Deferred>>();
  readonly #retries = new Map<string, { readonly timer: NodeJS.Timeout; readonly pauseMs: number }>();
  #listed: readonly ContainerListEntry[] = [];

  constructor(options: ObjectReaderOptions) {
    this.#options = options;
    this.#refresher = new Refresher((id) => this.#readOne(id));
    this.#lists = new Refresher(async () => {
      this.#listed = await options.engine.listContainers([KIND_LABEL]);
    });
    options.stopping.addEventListener('abort', () => {
      for (const { timer } of this.#retries.values()) clearTimeout(timer);
      for (const inspect of this.#inspects) inspect.abort();
    });
  }

  /** Listed objects that no record is made of. */
  get leftOut(): ReadonlySet<string> {
    return this.#leftOut;
  }

  isReading(id: string): boolean {
    return this.#refresher.isRunning(id);
  }

  /** Resolves when the reading that is under way is done, or overdue; at once when none is. Never throws. */
  async running(id: string): Promise<void> {
    if (!this.isReading(id) || this.#overdue.has(id)) return;
    await this.#orOverdue(id, this.#refresher.running(id)).catch(() => undefined);
  }

  /** Reads the object, however long that takes. Throws when the Engine does not answer a list either. */
  async whole(id: string): Promise<void> {
    await this.#request(id);
  }

  /** As `whole`, but not longer than others can wait: by then its record says that it could not be read now. */
  async sight(id: string): Promise<void> {
    const overdue = this.#overdue.get(id);
    if (overdue !== undefined && (await overdue.lookAgain())) return;
    await this.#orOverdue(id, this.#request(id));
  }

  /** Makes the record anew of what the Engine told last: something else that it is made of has changed. */
  async remake(id: string): Promise<void> {
    await this.#orOverdue(id, this.#refresher.request(id));
  }

  /** The object has been removed. One that is being read just now is read once more, so that this is the last word. */
  async gone(id: string): Promise<void> {
    if (this.isReading(id)) await this.sight(id);
    else this.#forget(this.#options.ledger.begin(id));
  }

  /** Has the object read for an event or as a retry; nobody waits. An inspect that hangs is given up for it. */
  note(id: string): void {
    if (this.#options.stopping.aborted) return;
    this.#request(id).catch((error: unknown) => this.#options.onEngineLost(error));
    this.#overdue.get(id)?.giveUp();
  }

  #request(id: string): Promise<void> {
    this.#stale.add(id);
    return this.#refresher.request(id);
  }

  async #orOverdue(id: string, reading: Promise<void>): Promise<void> {
    const overdue = deferred();
    const waiters = this.#waiters.get(id) ?? new Set<Deferred>();
    this.#waiters.set(id, waiters.add(overdue));
    reading.catch(() => undefined); // it may fail after the other has come
    try {
      await Promise.race([reading, overdue.promise]);
    } finally {
      waiters.delete(overdue);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
    }
  }

  async #readOne(id: string): Promise<void> {
    const { ledger, picture } = this.#options;
    const last = picture.get(id);
    if (!this.#stale.delete(id) && last !== undefined && last.problem === undefined) {
      const record = await this.#record(last.inspect, last);
      // No run is news, and no event is older than what was told before it.
      if (record !== undefined && !('failure' in record)) this.#put({ id, runsTold: 0 }, record);
      return;
    }
    const release = await this.#slots.take();
    const reading = ledger.begin(id);
    const given = new AbortController();
    this.#inspects.add(given);
    let isOver = false;
    const lookAgain = (): Promise<boolean> =>
      this.#setAside(reading, 'NotAnswered', NOT_ANSWERED, () => isOver);
    const timer = setTimeout(() => {
      release();
      this.#overdue.set(id, { lookAgain, giveUp: () => given.abort() });
      const waiters = (): Iterable<Deferred> => this.#waiters.get(id) ?? [];
      lookAgain().then(
        (told) => {
          if (told) for (const waiter of [...waiters()]) waiter.resolve();
        },
        (error: unknown) => {
          for (const waiter of waiters()) waiter.reject(error);
          this.#options.onEngineLost(error);
        },
      );
    }, PATIENCE_MS);
    const inspect = await this.#inspect(id, given.signal);
    isOver = true;
    this.#inspects.delete(given);
    clearTimeout(timer);
    release();
    this.#overdue.delete(id);
    if (given.signal.aborted) {
      // The next reading takes its place; those who wait for this one learn what the list tells.
      if (!this.#options.stopping.aborted) await this.#setAside(reading, 'NotAnswered', NOT_ANSWERED);
      return;
    }
    if (inspect === 'gone') this.#forget(reading);
    else if ('failure' in inspect) await this.#setAside(reading, 'CannotBeRead', inspect.failure);
    else await this.#take(reading, inspect);
  }

  async #inspect(id: string, signal: AbortSignal): Promise<ContainerInspect | 'gone' | { failure: string }> {
    try {
      return await this.#options.engine.inspectContainer(id, { signal });
    } catch (error) {
      return hasCode(error, Code.NOT_FOUND) ? 'gone' : { failure: messageOf(error) };
    }
  }

  /** The Engine has told of the object. */
  async #take(reading: Reading, told: ContainerInspect): Promise<void> {
    const { picture, killCauses, areEventsLive } = this.#options;
    const before = picture.get(reading.id);
    const inspect = await killCauses.explained(told, before, areEventsLive());
    const record = await this.#record(inspect, before);
    if (record === undefined) {
      this.#forget(reading);
      this.#leftOut.add(reading.id);
      return;
    }
    if ('failure' in record) {
      if (before !== undefined) this.#putAside(reading, before, 'CannotBeRead', record.failure);
      else this.#retryLater(reading.id);
      return;
    }
    const ready = this.#options.beforeTold(record);
    // Nobody waits for long to learn that an object exists.
    await (before === undefined
      ? Promise.race([ready, delay(PATIENCE_MS, undefined, { ref: false })])
      : ready);
    this.#put(reading, record);
  }

  /**
   * The Engine cannot tell of the object, or not now: its list says whether it is there, and in which state. Answers false, and
   * does nothing, once `isOver` says that its inspect has ended meanwhile.
   */
  async #setAside(
    reading: Reading,
    reason: RecordProblem['reason'],
    message: string,
    isOver: () => boolean = () => false,
  ): Promise<boolean> {
    const { id } = reading;
    await this.#lists.request('list');
    if (isOver()) return false;
    const entry = this.#listed.find(({ Id: listedId }) => listedId === id);
    if (entry === undefined) {
      this.#forget(reading);
      return true;
    }
    const last = this.#options.picture.get(id);
    // What is known of its end by now, without waiting for more.
    const told = await this.#options.killCauses.explained(listedInspect(entry, last?.inspect), last, false);
    const record = await this.#record(told, last);
    if (isOver()) return false;
    if (record === undefined) this.#leftOut.add(id);
    else if (!('failure' in record)) this.#putAside(reading, record, reason, message);
    else if (last !== undefined) this.#putAside(reading, last, reason, message);
    else this.#retryLater(id);
    return true;
  }

  /** Whose it is may have to be asked, of the image for one: that can fail too. */
  async #record(
    inspect: ContainerInspect,
    last: ObjectRecord | undefined,
  ): Promise<ObjectRecord | undefined | { failure: string }> {
    try {
      return await this.#options.read(inspect, last);
    } catch (error) {
      return { failure: messageOf(error) };
    }
  }

  #putAside(reading: Reading, record: ObjectRecord, reason: RecordProblem['reason'], message: string): void {
    const last = this.#options.picture.get(reading.id);
    if (last?.problem === undefined)
      this.#options.log.warn('the Engine cannot tell of a container', {
        containerId: record.id,
        reason,
        error: message,
      });
    const sinceMs = last?.problem?.sinceMs ?? Date.now();
    this.#put(reading, { ...record, problem: { reason, message, sinceMs } });
  }

  #put(reading: Reading, record: ObjectRecord): void {
    const { picture, ledger, onChange } = this.#options;
    this.#leftOut.delete(record.id);
    const before = picture.get(record.id);
    picture.put(record);
    const missedRuns = ledger.show(reading, record, before);
    if (record.problem === undefined) {
      this.#endRetries(record.id);
      this.#solved(before);
    } else this.#retryLater(record.id);
    onChange({ before, after: record, missedRuns });
  }

  #forget(reading: Reading): void {
    const { picture, ledger, killCauses, onChange } = this.#options;
    const { id } = reading;
    this.#leftOut.delete(id);
    killCauses.forget(id);
    this.#endRetries(id);
    const missedRuns = ledger.close(reading);
    const before = picture.get(id);
    if (before === undefined) return;
    picture.delete(id);
    onChange({ before, after: undefined, missedRuns });
  }

  #solved(before: ObjectRecord | undefined): void {
    if (before?.problem === undefined) return;
    this.#options.log.info('a container can be read again', { containerId: before.id });
  }

  #endRetries(id: string): void {
    clearTimeout(this.#retries.get(id)?.timer);
    this.#retries.delete(id);
  }

  #retryLater(id: string): void {
    if (this.#options.stopping.aborted) return;
    const known = this.#retries.get(id);
    clearTimeout(known?.timer);
    const pauseMs = known === undefined ? FIRST_RETRY_MS : Math.min(LONGEST_RETRY_MS, known.pauseMs * 2);
    this.#retries.set(id, { timer: setTimeout(() => this.note(id), pauseMs), pauseMs });
  }
}
