import { KIND_LABEL } from '../../convert/text/labels.js';
import type { Engine, Negotiated } from '../../docker/engine.js';
import type { EngineEvent, EngineInfo } from '../../docker/types.js';
import { Code, CriError, messageOf } from '../../util/cri-error.js';
import { deferred } from '../../util/deferred.js';
import type { Logger } from '../../util/log.js';
import { unlessAborted } from '../../util/unless-aborted.js';

/**
 * What changes the state of a container, or says why, and nothing else: the exec events of probes stay in the Engine, and so
 * does `stop`, which follows `die`.
 */
const WATCHED_ACTIONS = [
  ...['create', 'start', 'kill', 'oom', 'die', 'destroy'],
  ...['pause', 'unpause', 'update', 'rename', 'restart'],
];

/** How long the event stream may take to answer; the events themselves come when they come. */
const OPEN_EVENTS_TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;

/** What the Engine said of itself when it was last reached. */
export interface EngineFacts {
  negotiated: Negotiated;
  info: EngineInfo;
}

export interface ConnectionOptions {
  engine: Engine;
  log: Logger;
  /** Bound on the handshake and the first list of one attempt. */
  requestTimeoutMs: number;
  /** Takes an event; must return at once. */
  onEvent: (event: EngineEvent) => void;
  /** Brings the picture in step, once events flow. The attempt fails with it. Answers what it found, for the log. */
  onOpen: (signal: AbortSignal) => Promise<Record<string, number>>;
  /** In step from now on; the signal aborts with the connection. */
  onLive: (signal: AbortSignal) => void;
}

/**
 * The connection that the picture lives by: handshake, event stream, first reading; and again, with pauses, after each
 * loss. It is lost when the handshake, a list or the event stream says so, never by what one object does.
 */
export class EngineConnection {
  readonly #options: ConnectionOptions;
  readonly #stop = new AbortController();
  #facts: EngineFacts | undefined;
  #isLive = false;
  #problem = 'not connected yet';
  /** The attempt that is under way; settles with its outcome. */
  #attempt = deferred();
  /** Ends the pause before the next attempt. */
  #hurry: () => void = () => undefined;
  /** The present event stream. */
  #stream = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Begins to connect; returns at once. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new CriError(Code.UNAVAILABLE, 'cridock is stopping'));
    await this.#running;
  }

  /** Aborts when cridock stops. */
  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /** Why the Engine cannot be used now, or undefined while it is followed. */
  get problem(): string | undefined {
    return this.#isLive ? undefined : this.#problem;
  }

  /** The Engine's word on itself, kept while it is away; undefined when it was never reached. */
  get facts(): EngineFacts | undefined {
    return this.#facts;
  }

  /** Asks the Engine anew what it says of itself. */
  async refreshFacts(): Promise<void> {
    const before = this.#facts;
    const info = await this.#options.engine.info({ signal: this.#stop.signal });
    // A connection that was made meanwhile has asked by itself.
    if (before !== undefined && this.#facts === before) this.#facts = { ...before, info };
  }

  /** Waits, where it must, for the attempt that is under way. Throws UNAVAILABLE when that fails, or the signal's reason. */
  async untilLive(signal?: AbortSignal): Promise<void> {
    if (this.#isLive) return;
    this.#hurry();
    await unlessAborted(this.#attempt.promise, signal);
  }

  /** The Engine does not answer a list, or its events cannot be relied on: all is read anew over a new stream. */
  breakOff(error: unknown): void {
    if (!this.#isLive) return; // an attempt that is under way finds out by itself
    this.#lost(messageOf(error));
    this.#stream.abort(error instanceof Error ? error : new Error(String(error)));
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
    this.#stream = stream;
    const signal = AbortSignal.any([this.#stop.signal, stream.signal]);
    let wasLive = false;
    const onLive = (): void => void (wasLive = true);
    try {
      await this.#connect(signal, stream, onLive);
      this.#over('Docker closed its event stream', wasLive);
    } catch (error) {
      this.#over(messageOf(stream.signal.aborted ? stream.signal.reason : error), wasLive);
    } finally {
      stream.abort(new CriError(Code.UNAVAILABLE, 'the event stream has ended'));
    }
    return wasLive;
  }

  /** From now on nothing is read from the picture: those who read wait for the next attempt. */
  #lost(problem: string): void {
    this.#problem = problem;
    if (!this.#isLive) return; // it was broken off
    this.#isLive = false;
    if (this.#stop.signal.aborted) return;
    this.#options.log.warn('lost the Docker Engine, reads wait until it is back', { problem });
  }

  /** A connection that was live has ended, or an attempt has failed: only a failed attempt rejects those who wait. */
  #over(problem: string, wasLive: boolean): void {
    if (wasLive) {
      this.#lost(problem);
      return;
    }
    this.#problem = problem;
    if (this.#stop.signal.aborted) return;
    this.#options.log.debug('Docker Engine not reached', { problem });
    this.#attempt.reject(new CriError(Code.UNAVAILABLE, `Docker Engine is not available: ${problem}`));
    this.#attempt = deferred();
  }

  /** Handshake, subscription, full reading; then follows until the stream ends. */
  async #connect(signal: AbortSignal, stream: AbortController, onLive: () => void): Promise<void> {
    const { engine, requestTimeoutMs, log } = this.#options;
    const tooLong = setTimeout(() => {
      stream.abort(new CriError(Code.UNAVAILABLE, `Docker did not answer within ${requestTimeoutMs} ms`));
    }, requestTimeoutMs);
    try {
      const negotiated = await engine.negotiate({ signal });
      this.#facts = { negotiated, info: await engine.info({ signal }) };
      const opened = deferred();
      const followed = engine.followEvents({
        filters: { type: ['container'], event: WATCHED_ACTIONS, label: [KIND_LABEL] },
        signal,
        onOpen: opened.resolve,
        onEvent: this.#options.onEvent,
      });
      followed.then(
        () => opened.reject(new CriError(Code.UNAVAILABLE, 'Docker closed its event stream')),
        opened.reject,
      );
      await this.#openedInTime(opened.promise, stream);
      const found = await this.#options.onOpen(signal);
      signal.throwIfAborted();
      clearTimeout(tooLong);
      this.#isLive = true;
      onLive();
      const { apiVersion, version } = negotiated;
      log.info('in step with the Docker Engine', { engineVersion: version.Version, apiVersion, ...found });
      this.#attempt.resolve();
      this.#attempt = deferred();
      this.#options.onLive(signal);
      await followed;
    } finally {
      clearTimeout(tooLong);
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
