import { Code, CriError } from '../util/cri-error.js';
import { KeyedMutex } from '../util/keyed-mutex.js';
import type { EventName, ReplyTo } from './events.js';
import { Gate } from './gate.js';
import type { Plugin } from './plugin.js';

/** A plugin that is gone, or could not register, for those who ask what became of it. */
export interface LostPlugin {
  readonly name: string;
  readonly reason: string;
  readonly hasRegistered: boolean;
  /** False where it went by itself. */
  readonly hasFailed: boolean;
  /** Unix ms. */
  readonly atMs: number;
}

const REMEMBERED = 16;
const EVENTS_KEY = 'events';

/** The plugins that are told of events: in the order of their indices, and of one event at a time, as they rely on. */
export class Plugins {
  readonly gate = new Gate();
  readonly #turn = new KeyedMutex();
  #plugins: readonly Plugin[] = [];
  #lost: readonly LostPlugin[] = [];
  #areStopping = false;

  get all(): readonly Plugin[] {
    return this.#plugins;
  }

  /** The last ones that are gone or could not come, the newest first. */
  get lost(): readonly LostPlugin[] {
    return this.#lost;
  }

  get isEmpty(): boolean {
    return this.#plugins.length === 0;
  }

  wants(event: EventName): boolean {
    return this.#plugins.some((plugin) => plugin.wants(event));
  }

  /** From now on it is told of events. */
  add(plugin: Plugin): void {
    this.#plugins = [...this.#plugins, plugin].sort((a, b) =>
      a.identity.index === b.identity.index ? 0 : a.identity.index < b.identity.index ? -1 : 1,
    );
  }

  remove(plugin: Plugin, reason: string, hasFailed: boolean): void {
    this.#plugins = this.#plugins.filter((other) => other !== plugin);
    this.#remember({ name: plugin.name, reason, hasRegistered: true, hasFailed, atMs: Date.now() });
  }

  /** It has named itself, or is one of the folder, and could not register. */
  refuse(name: string, reason: string): void {
    this.#remember({ name, reason, hasRegistered: false, hasFailed: true, atMs: Date.now() });
  }

  #remember(lost: LostPlugin): void {
    this.#lost = [lost, ...this.#lost].slice(0, REMEMBERED);
  }

  /** They are about to be cut off: what they would have to be asked about does not go on without them. */
  stop(): void {
    if (this.isEmpty) return;
    this.#areStopping = true;
    this.gate.close();
  }

  /** Does `work`, which may tell plugins of an event, while none is told of another. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn.run(EVENTS_KEY, work);
  }

  /**
   * Tells those that want to know, one after the other; `onReply` gets each answer before the next is asked, and what it is to be
   * asked is made anew for each. Throws what the first throws that fails the event: the others are not told; UNAVAILABLE once
   * they are being stopped.
   */
  async tell<Event extends EventName>(
    event: Event,
    request: () => object,
    onReply: (plugin: Plugin, reply: ReplyTo<Event>) => void = () => undefined,
  ): Promise<void> {
    for (const plugin of this.#plugins) {
      const reply = await plugin.tell(event, request());
      if (this.#areStopping) throw new CriError(Code.UNAVAILABLE, `${event}: cridock is being stopped`);
      if (reply !== undefined) onReply(plugin, reply);
    }
  }
}
