import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { EVENTS, type EventName } from '../../src/nri/events.js';
import type { PluginMessages } from '../../src/nri/messages.js';
import { NriProtocol, PLUGIN_SERVICE, RUNTIME_SERVICE } from '../../src/nri/protocol.js';
import { messageOf } from '../../src/util/cri-error.js';
import { envelopes } from '../../src/nri/wire/envelopes.js';
import { muxFrames, MuxReader, PLUGIN_CONNECTION, RUNTIME_CONNECTION } from '../../src/nri/wire/mux.js';
import { MessageType, TtrpcReader, ttrpcMessage } from '../../src/nri/wire/ttrpc-frames.js';

export const protocol = new NriProtocol();

/** What the runtime has sent: any message of NRI. */
export function decodeRequest(type: string, bytes: Uint8Array): Record<string, unknown> {
  return protocol.decode(type as keyof PluginMessages, bytes) as unknown as Record<string, unknown>;
}

/** What a plugin does with a call: the reply, or an error with a status. */
export type Answer = (method: string, request: Buffer) => Promise<Uint8Array> | Uint8Array;

export interface TestPluginOptions {
  readonly index?: string;
  readonly base?: string;
  /** Those of all where it is left out. */
  readonly events?: readonly EventName[];
  readonly policy?: { fail_request?: boolean; keep_connected?: boolean };
  /** Replies to events; what is not here is answered with nothing. */
  readonly replies?: Partial<
    Record<EventName | 'Synchronize', (request: Buffer) => Promise<object> | object>
  >;
}

/** An error that a plugin answers with. */
export class Refusal extends Error {
  readonly code: number;

  constructor(message: string, code = 2) {
    super(message);
    this.code = code;
  }
}

/** A plugin in this process, on the other end of a connection: NRI's own side is written anew here, as Go's stub has it. */
export class TestPlugin {
  readonly calls: string[] = [];
  readonly requests = new Map<string, Buffer[]>();
  readonly #socket: Duplex;
  readonly #options: TestPluginOptions;
  readonly #waiting = new Map<number, (response: ReturnType<typeof envelopes.decodeResponse>) => void>();
  #stream = 1;

  constructor(socket: Duplex, options: TestPluginOptions = {}) {
    this.#socket = socket;
    this.#options = options;
    socket.on('error', () => undefined);
    const calls = new TtrpcReader(({ stream, payload }) => void this.#serve(stream, payload));
    const answers = new TtrpcReader(({ stream, payload }) => {
      this.#waiting.get(stream)?.(envelopes.decodeResponse(payload));
    });
    const mux = new MuxReader((connection, payload) =>
      connection === PLUGIN_CONNECTION ? calls.push(payload) : answers.push(payload),
    );
    socket.on('data', (chunk: Buffer) => mux.push(chunk));
  }

  /** Connects and registers. */
  static async register(path: string, options: TestPluginOptions = {}): Promise<TestPlugin> {
    const socket = connect(path);
    const plugin = new TestPlugin(socket, options);
    await plugin.register();
    return plugin;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  async register(): Promise<void> {
    const { index = '10', base = 'test' } = this.#options;
    await this.call('RegisterPlugin', 'RegisterPluginRequest', { plugin_idx: index, plugin_name: base });
  }

  /** Calls the runtime. Throws a Refusal for a status. */
  async call(method: string, type: string, request: object): Promise<Uint8Array> {
    const stream = this.#stream;
    this.#stream += 2;
    const payload = envelopes.encodeRequest({
      service: RUNTIME_SERVICE,
      method,
      payload: protocol.encode(type, request),
      timeout_nano: '0',
    });
    const response = new Promise<ReturnType<typeof envelopes.decodeResponse>>((resolve) =>
      this.#waiting.set(stream, resolve),
    );
    this.write(RUNTIME_CONNECTION, ttrpcMessage({ stream, type: MessageType.REQUEST, payload }));
    const { status, payload: reply } = await response;
    if (status !== null && status.code !== 0) throw new Refusal(status.message, status.code);
    return reply;
  }

  write(connection: number, message: Buffer): void {
    this.#socket.write(muxFrames(connection, message));
  }

  writeRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #serve(stream: number, bytes: Buffer): Promise<void> {
    const { service, method, payload } = envelopes.decodeRequest(bytes);
    this.calls.push(method);
    this.requests.set(method, [...(this.requests.get(method) ?? []), Buffer.from(payload)]);
    let response: Parameters<typeof envelopes.encodeResponse>[0];
    try {
      if (service !== PLUGIN_SERVICE) throw new Refusal(`no service ${service}`, 12);
      response = { status: null, payload: await this.#reply(method, Buffer.from(payload)) };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 2;
      response = { status: { code, message: messageOf(error) }, payload: Buffer.alloc(0) };
    }
    if (this.isClosed) return;
    const message = { stream, type: MessageType.RESPONSE, payload: envelopes.encodeResponse(response) };
    this.write(PLUGIN_CONNECTION, ttrpcMessage(message));
  }

  async #reply(method: string, request: Buffer): Promise<Uint8Array> {
    const { events, policy, replies = {} } = this.#options;
    if (method === 'Configure') {
      const bits = (events ?? []).reduce((mask, name) => mask | (1 << (EVENTS[name].number - 1)), 0);
      return protocol.encode('ConfigureResponse', {
        events: bits,
        ...(policy && { failure_policy: policy }),
      });
    }
    const reply = await replies[method as EventName]?.(request);
    if (method === 'Synchronize') return protocol.encode('SynchronizeResponse', reply ?? {});
    const kind = EVENTS[method as EventName] as { reply: keyof PluginMessages } | undefined;
    return protocol.encode(kind?.reply ?? 'Empty', reply ?? {});
  }
}
