import type { Engine } from '../docker/engine.js';
import type { EngineEvent } from '../docker/types.js';
import { Code, CriError, messageOf } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { Mirror } from './mirror.js';

/** What the Engine tells when its images or their names change, and when it has read its configuration anew. */
const FILTERS = {
  type: ['image', 'daemon'],
  event: ['pull', 'tag', 'untag', 'delete', 'import', 'load', 'create', 'reload'],
};
const RETRY_MS = 1_000;

/** What wants to know; it subscribes before the mirror starts. */
export interface NewsListener {
  /** An image or a name of one has come or gone, or may have while nobody watched. */
  onImages(): void;
}

/**
 * Follows what Docker tells of its images and of itself, beside the mirror, which follows containers. A reload of the daemon's
 * configuration has the mirror ask for the Engine's facts anew.
 */
export class EngineNews {
  readonly #engine: Engine;
  readonly #mirror: Mirror;
  readonly #log: Logger;
  readonly #listeners: NewsListener[] = [];
  readonly #stop = new AbortController();
  #following: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isOpen = false;

  constructor(engine: Engine, mirror: Mirror, log: Logger) {
    this.#engine = engine;
    this.#mirror = mirror;
    this.#log = log;
    mirror.subscribe({ onResync: () => this.#follow() });
  }

  /** True while nothing that happens to images goes unseen. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  subscribe(listener: NewsListener): void {
    this.#listeners.push(listener);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new CriError(Code.UNAVAILABLE, 'cridock is stopping'));
    clearTimeout(this.#retry);
    await this.#following;
  }

  #follow(): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#retry);
    this.#following ??= this.#followOnce().finally(() => {
      this.#following = undefined;
      // Once the Engine is gone the mirror says when it is back.
      if (!this.#stop.signal.aborted && this.#mirror.problem === undefined)
        this.#retry = setTimeout(() => this.#follow(), RETRY_MS);
    });
  }

  /** Never throws. */
  async #followOnce(): Promise<void> {
    const onOpen = (): void => {
      this.#isOpen = true;
      this.#onImages();
      void this.#readFacts();
    };
    const onEvent = ({ Type: type }: EngineEvent): void => {
      if (type === 'daemon') void this.#readFacts();
      else this.#onImages();
    };
    try {
      const { signal } = this.#stop;
      await this.#engine.followEvents({ filters: FILTERS, signal, onOpen, onEvent });
    } catch (error) {
      this.#log.debug("Docker's events of images are not followed now", { problem: messageOf(error) });
    } finally {
      this.#isOpen = false;
      this.#onImages();
    }
  }

  #onImages(): void {
    for (const listener of this.#listeners) listener.onImages();
  }

  /** The mirror asks by itself when it connects anew, which is what a failure here leads to. */
  async #readFacts(): Promise<void> {
    try {
      await this.#mirror.refreshFacts();
    } catch (error) {
      this.#log.warn("the Engine's new configuration cannot be read", { error: messageOf(error) });
    }
  }
}
