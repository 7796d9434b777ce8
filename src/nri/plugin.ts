import type { FailurePolicy__Output } from '../gen/nri/pkg/api/v1alpha1/FailurePolicy.js';
import { Code, CriError, messageOf, nameOfCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import { EVENTS, isSubscribed, type EventName, type ReplyTo } from './events.js';
import type { PluginMessages } from './messages.js';
import { PLUGIN_SERVICE, type NriProtocol } from './protocol.js';
import { RemoteError, type Link } from './wire/link.js';

/** Who a plugin says it is, and how it came to be connected. */
export interface PluginIdentity {
  readonly base: string;
  /** Two digits. */
  readonly index: string;
  /** True for those that cridock has started. */
  readonly isStarted: boolean;
}

/** What a plugin is called with. */
export interface PluginOptions {
  readonly identity: PluginIdentity;
  readonly link: Link;
  readonly protocol: NriProtocol;
  readonly requestTimeoutMs: number;
  readonly log: Logger;
  /** Told of each call; `code` is `OK` or the name of a status. */
  readonly onCall: (plugin: string, event: string, code: string, durationMs: number) => void;
}

/** As cridock numbers statuses; NRI's are gRPC's as well. */
const UNIMPLEMENTED: number = Code.UNIMPLEMENTED;

/** A plugin that has registered. */
export class Plugin {
  readonly identity: PluginIdentity;
  /** Such as `10-device-injector`. */
  readonly name: string;
  readonly #options: PluginOptions;
  #events = 0;
  #policy: FailurePolicy__Output = { fail_request: false, keep_connected: false };
  #failures = 0;
  #lastFailure = '';

  constructor(options: PluginOptions) {
    const { base, index } = options.identity;
    this.#options = options;
    this.identity = options.identity;
    this.name = `${index}-${base}`;
  }

  get link(): Link {
    return this.#options.link;
  }

  /** How often it failed to answer while it stayed connected, and how it did last. */
  get failures(): { readonly count: number; readonly last: string } {
    return { count: this.#failures, last: this.#lastFailure };
  }

  /** The names of its events. */
  get events(): EventName[] {
    return (Object.keys(EVENTS) as EventName[]).filter((name) => this.wants(name));
  }

  /** What it answered Configure with. */
  subscribe(events: number, policy: FailurePolicy__Output | null): void {
    this.#events = events;
    if (policy !== null) this.#policy = policy;
  }

  wants(event: EventName): boolean {
    return this.link.closeReason === undefined && isSubscribed(this.#events, event);
  }

  /**
   * Tells the plugin of an event, if it wants to know; answers its reply, or undefined where the event goes on without one. A
   * plugin that does not answer in time, or with garbage, loses its connection. Throws UNKNOWN that names it when it answers with an
   * error, and when it fails and its policy is to fail the request.
   */
  async tell<Event extends EventName>(event: Event, request: object): Promise<ReplyTo<Event> | undefined> {
    if (!this.wants(event)) return undefined;
    try {
      return await this.ask(event, request);
    } catch (error) {
      if (error instanceof RemoteError) throw this.#failed(event, error);
      this.#drop(event, error);
      if (this.#policy.fail_request) throw this.#failed(event, error);
      return undefined;
    }
  }

  /** As `tell`, but whatever happens is an error: for plugins that decide whether something may be. */
  async judge<Event extends EventName>(event: Event, request: object): Promise<ReplyTo<Event>> {
    try {
      return await this.ask(event, request);
    } catch (error) {
      if (!(error instanceof RemoteError)) this.#drop(event, error);
      throw this.#failed(event, error);
    }
  }

  /** Calls an RPC of events. Throws what `Link.call` does, and INVALID_ARGUMENT for garbage. */
  async ask<Event extends EventName>(event: Event, request: object): Promise<ReplyTo<Event>> {
    const kind = EVENTS[event];
    const { requestTimeoutMs: timeoutMs } = this.#options;
    try {
      const reply = await this.call(event, kind.request, request, kind.reply, timeoutMs);
      return reply as ReplyTo<Event>;
    } catch (error) {
      const isOld = error instanceof RemoteError && error.code === UNIMPLEMENTED && kind.isStateChange;
      if (!isOld) throw error;
      const change = { ...request, event: kind.number };
      const reply = await this.call('StateChange', 'StateChangeEvent', change, 'Empty', timeoutMs);
      return reply as ReplyTo<Event>; // that of all of these events
    }
  }

  /** Calls any RPC of plugins, and has it counted. */
  async call<Reply extends keyof PluginMessages>(
    method: string,
    requestType: string,
    request: object,
    replyType: Reply,
    timeoutMs: number,
  ): Promise<PluginMessages[Reply]> {
    const { link, protocol, onCall } = this.#options;
    const beganMs = performance.now();
    let code = 'OK';
    try {
      const payload = protocol.encode(requestType, request);
      const reply = await link.call(PLUGIN_SERVICE, method, payload, timeoutMs);
      return protocol.decode(replyType, reply);
    } catch (error) {
      code = codeOf(error);
      throw error;
    } finally {
      onCall(this.name, method, code, performance.now() - beganMs);
    }
  }

  /** It has not done what plugins have to: it stays only where it was late and asks to stay. */
  #drop(event: EventName, error: unknown): void {
    const reason = `${event}: ${messageOf(error)}`;
    const isLate = error instanceof Error && 'isLate' in error && error.isLate === true;
    this.#failures += 1;
    this.#lastFailure = reason;
    if (isLate && this.#policy.keep_connected) {
      this.#options.log.warn('an NRI plugin has failed, and stays', { plugin: this.name, reason });
    } else this.link.close(reason);
  }

  #failed(event: EventName, error: unknown): CriError {
    return new CriError(Code.UNKNOWN, `NRI plugin ${this.name}: ${event}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RemoteError) {
    const code = Object.values(Code).find((known) => known === error.code);
    return nameOfCode(code ?? Code.UNKNOWN);
  }
  if (error instanceof CriError) return 'GARBAGE';
  return error instanceof Error && 'isLate' in error && error.isLate === true ? 'LATE' : 'GONE';
}
