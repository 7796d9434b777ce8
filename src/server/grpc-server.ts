import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { CallTraces } from '../util/call-traces.js';
import type { Endpoint } from '../util/endpoint.js';
import type { ImageHandlers, RuntimeHandlers, StreamHandlers } from '../util/handler.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';
import { within } from '../util/within.js';
import { CallsInFlight, type CallInFlight } from './calls-in-flight.js';
import type { Method, Protocol } from './descriptor.js';
import { openListener } from './listener.js';
import type { Listener } from './listener.js';
import { watchCallHeaders } from './call-headers.js';
import { serverStream } from './server-stream.js';
import type { AnyStreamHandler } from './server-stream.js';
import type { ServingDeps } from './serving.js';
import { unary } from './unary.js';
import type { AnyHandler } from './unary.js';

export interface CriServerOptions {
  readonly protocol: Protocol;
  readonly runtime: RuntimeHandlers;
  readonly image: ImageHandlers;
  readonly streams: StreamHandlers;
  readonly log: Logger;
  readonly metrics: MetricsSink;
  readonly traces: CallTraces;
}

/** The kubelet and crictl take messages of up to 16 MiB; so do we. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** A silent peer is asked for a sign of life, so that half-dead connections do not pile up. */
const KEEPALIVE_TIME_MS = 120_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** What handlers get to clean up after their calls were aborted by a stop. */
const ABORTED_GRACE_MS = 2_000;

/** The gRPC server for both CRI services. */
export class CriServer {
  readonly #log: Logger;
  readonly #grpc: Server;
  readonly #inject: (socket: Socket) => void;
  readonly #inFlight = new CallsInFlight();
  readonly #stopping = new AbortController();
  readonly #sockets = new Set<Socket>();
  #listener: Listener | undefined;

  constructor({ protocol, runtime, image, streams, log, metrics, traces }: CriServerOptions) {
    this.#log = log;
    this.#grpc = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
    });
    watchCallHeaders(this.#grpc, log);
    const deps = { log, metrics, traces, inFlight: this.#inFlight, stopping: this.#stopping.signal };
    const streamHandlers = new Map<string, AnyStreamHandler>(Object.entries(streams));
    this.#addService(protocol.runtime, new Map(Object.entries(runtime)), streamHandlers, deps);
    this.#addService(protocol.image, new Map(Object.entries(image)), streamHandlers, deps);
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (socket) => injector.injectConnection(socket);
  }

  /** Calls whose handlers run, the oldest first. */
  get callsInFlight(): readonly CallInFlight[] {
    return this.#inFlight.all;
  }

  /** Listens and serves. Throws an Error that says why the endpoint cannot be had. */
  async start(endpoint: Endpoint): Promise<void> {
    this.#listener = await openListener(endpoint, (socket) => this.#serve(socket), this.#log);
  }

  /**
   * Takes no more calls, tells clients so, ends the streams, and waits up to `graceMs` for the calls that run. Then their
   * signals abort, and they get a moment to clean up. Returns the number of calls that still run.
   */
  async stop(graceMs: number): Promise<number> {
    await this.#listener?.close();
    this.#stopping.abort();
    // From Node 24 on this calls back before the last replies have left: their connections end when they have.
    const left = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    const drained = new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve()));
    await within(graceMs, Promise.all([drained, this.#inFlight.idle(), ...left]));
    // forceShutdown() only knows the connections that channelz counts.
    for (const socket of this.#sockets) socket.destroy();
    await within(ABORTED_GRACE_MS, this.#inFlight.idle());
    return this.#inFlight.count;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', (error) => this.#log.debug('connection failed', { error }));
    this.#inject(socket);
  }

  #addService(
    methods: readonly Method[],
    handlers: ReadonlyMap<string, AnyHandler>,
    streams: ReadonlyMap<string, AnyStreamHandler>,
    deps: ServingDeps,
  ): void {
    const definition: ServiceDefinition = Object.fromEntries(
      methods.map((method) => [method.rpc, wire(method)]),
    );
    const implementation: UntypedServiceImplementation = {};
    for (const method of methods) {
      implementation[method.rpc] = method.streams
        ? serverStream(method, streams.get(method.rpc), deps)
        : unary(method, handlers.get(method.rpc), deps);
    }
    this.#grpc.addService(definition, implementation);
  }
}

/** grpc-js sees bytes only: the codecs run in `unary`, where their errors can be caught. */
function wire({ path, streams }: Method): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: false,
    responseStream: streams,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
