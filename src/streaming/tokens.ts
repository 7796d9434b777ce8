import { randomBytes } from 'node:crypto';
import { Code, CriError } from '../util/cri-error.js';

/** The kubelet connects at once; CRI's own streaming library gives a minute too. */
const LIFETIME_MS = 60_000;
const MAX_WAITING = 1_000;
const TOKEN_BYTES = 16;

interface Entry<T> {
  readonly value: T;
  readonly timer: NodeJS.Timeout;
}

/** Values that wait to be fetched, each once, with a secret of 128 bits, within a minute. */
export class Tokens<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #lifetimeMs: number;

  constructor(lifetimeMs = LIFETIME_MS) {
    this.#lifetimeMs = lifetimeMs;
  }

  /** Keeps the value; answers its token. Throws RESOURCE_EXHAUSTED when too many wait. */
  issue(value: T): string {
    if (this.#entries.size >= MAX_WAITING) {
      throw new CriError(Code.RESOURCE_EXHAUSTED, `${MAX_WAITING} streaming URLs have not been used yet`);
    }
    const token = randomBytes(TOKEN_BYTES).toString('hex');
    const timer = setTimeout(() => this.#entries.delete(token), this.#lifetimeMs);
    timer.unref();
    this.#entries.set(token, { value, timer });
    return token;
  }

  /** The value, for good, if it fits; undefined for a token that is unknown, used or too old, or whose value does not fit. */
  take(token: string, fits: (value: T) => boolean): T | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined || !fits(entry.value)) return undefined;
    clearTimeout(entry.timer);
    this.#entries.delete(token);
    return entry.value;
  }

  /** Forgets all. */
  clear(): void {
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
  }
}
