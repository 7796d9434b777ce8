import { fileURLToPath } from 'node:url';
import { Client, Metadata, credentials } from '@grpc/grpc-js';
import type { CallOptions, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { MethodDefinition, PackageDefinition } from '@grpc/proto-loader';
import type { ImageServiceDefinition, ImageServiceHandlers } from '../../src/gen/runtime/v1/ImageService.js';
import type {
  RuntimeServiceDefinition,
  RuntimeServiceHandlers,
} from '../../src/gen/runtime/v1/RuntimeService.js';

export type { ServiceError } from '@grpc/grpc-js';

export interface CriCallOptions {
  /** Sent as the call's deadline; without it the call has none. */
  readonly timeoutMs?: number;
  /** Cancels the call: it then rejects with code CANCELLED (1). */
  readonly signal?: AbortSignal;
  /** gRPC metadata to send along, such as `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One unary RPC. Rejects with a ServiceError that holds the gRPC `code` and `details`. */
export type CriCall<Request, Response> = (request: Request, options?: CriCallOptions) => Promise<Response>;

/** The RPCs of a service that answer once: their generated handlers take a call and a callback. */
type UnaryCalls<Definition, Handlers> = {
  readonly [
    Rpc in keyof Handlers as string extends Rpc
      ? never // the index signature of grpc-js's base type
      : Handlers[Rpc] extends (...args: infer Args) => void
        ? Args['length'] extends 2
          ? Rpc
          : never
        : never
  ]: Rpc extends keyof Definition ? CallOf<Definition[Rpc]> : never;
};

type CallOf<Method> =
  Method extends MethodDefinition<infer Request, object, object, infer Response>
    ? CriCall<Request, Response>
    : never;

/** The messages of a stream, as they come; they are read no faster than they are taken. Throws a ServiceError. */
export interface CriStream<Message> extends AsyncIterable<Message> {
  /** Resolves when the server serves the stream, before there is a message. */
  readonly opened: Promise<void>;
  cancel(): void;
}

/** The RPCs of a service that answer with a stream: their generated handlers take a call alone. */
type StreamCalls<Definition, Handlers> = {
  readonly [
    Rpc in keyof Handlers as string extends Rpc
      ? never
      : Handlers[Rpc] extends (...args: infer Args) => void
        ? Args['length'] extends 1
          ? Rpc
          : never
        : never
  ]: Rpc extends keyof Definition ? StreamOf<Definition[Rpc]> : never;
};

type StreamOf<Method> =
  Method extends MethodDefinition<infer Request, object, object, infer Message>
    ? (request: Request) => CriStream<Message>
    : never;

export type CriStreams = StreamCalls<RuntimeServiceDefinition, RuntimeServiceHandlers> &
  StreamCalls<ImageServiceDefinition, ImageServiceHandlers>;

export type RuntimeCalls = UnaryCalls<RuntimeServiceDefinition, RuntimeServiceHandlers>;
export type ImageCalls = UnaryCalls<ImageServiceDefinition, ImageServiceHandlers>;

/** A CRI client as the kubelet's: over a unix socket, with `localhost` as its authority. */
export interface CriClient {
  readonly runtime: RuntimeCalls;
  readonly image: ImageCalls;
  /** The RPCs of both services that answer with a stream. */
  readonly streams: CriStreams;
  /**
   * Sends bytes as they are and gives back the reply's bytes, undecoded.
   * `path` is the full method name, as `/runtime.v1.RuntimeService/Version`.
   */
  rawCall(path: string, request: Buffer, options?: CriCallOptions): Promise<Buffer>;
  /** Resolves when the server has accepted a connection; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  close(): void;
}

/** The kubelet accepts replies of up to 16 MiB (its maxMsgSize). */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Opens a client for the CRI server at `socketPath` (absolute, without `unix://`). Connects when first used. */
export function connectCri(socketPath: string): CriClient {
  const channel = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
    // As grpc-go, whose window grows with the connection: lists do not wait for the reader's permission.
    'grpc-node.flow_control_window': 1024 * 1024,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.enable_channelz': 0,
  });
  const definitions = loadProto();
  return {
    // The loader reads the same proto file that the types were generated from.
    runtime: unaryCalls(channel, definitions, 'runtime.v1.RuntimeService') as unknown as RuntimeCalls,
    image: unaryCalls(channel, definitions, 'runtime.v1.ImageService') as unknown as ImageCalls,
    streams: {
      ...streamCalls(channel, definitions, 'runtime.v1.RuntimeService'),
      ...streamCalls(channel, definitions, 'runtime.v1.ImageService'),
    } as unknown as CriStreams,
    rawCall: (path, request, options) => unary(channel, path, asIs, asIs, request, options),
    ready: (timeoutMs) =>
      new Promise((resolve, reject) => {
        channel.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => channel.close(),
  };
}

function loadProto(): PackageDefinition {
  // Compiled, this file is <root>/<outDir>/test/support/cri-client.js.
  const path = fileURLToPath(new URL('../../../proto/runtime/v1/api.proto', import.meta.url));
  return loadSync(path, {
    keepCase: true,
    longs: String,
    enums: Number,
    defaults: true,
    arrays: true,
    objects: true,
  });
}

function streamCalls(
  channel: Client,
  definitions: PackageDefinition,
  service: string,
): Record<string, (request: object) => CriStream<object>> {
  const methods = definitions[service];
  if (methods === undefined || 'format' in methods)
    throw new Error(`no service ${service} in the proto file`);
  const calls: Record<string, (request: object) => CriStream<object>> = {};
  for (const [rpc, method] of Object.entries(methods)) {
    if (!method.responseStream) continue;
    calls[rpc] = (request) =>
      criStream(
        channel.makeServerStreamRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
        ),
      );
  }
  return calls;
}

function criStream<Message>(call: ClientReadableStream<Message>): CriStream<Message> {
  const opened = new Promise<void>((resolve, reject) => {
    call.once('metadata', () => resolve());
    call.once('error', reject);
  });
  opened.catch(() => undefined); // the iteration throws it too
  return { opened, cancel: () => call.cancel(), [Symbol.asyncIterator]: () => call[Symbol.asyncIterator]() };
}

function unaryCalls(
  channel: Client,
  definitions: PackageDefinition,
  service: string,
): Record<string, CriCall<object, object>> {
  const methods = definitions[service];
  if (methods === undefined || 'format' in methods)
    throw new Error(`no service ${service} in the proto file`);
  const calls: Record<string, CriCall<object, object>> = {};
  for (const [rpc, method] of Object.entries(methods)) {
    if (method.requestStream || method.responseStream) continue;
    calls[rpc] = (request, options) =>
      unary(channel, method.path, method.requestSerialize, method.responseDeserialize, request, options);
  }
  return calls;
}

function unary<Request, Response>(
  channel: Client,
  path: string,
  serialize: (request: Request) => Buffer,
  deserialize: (bytes: Buffer) => Response,
  request: Request,
  options: CriCallOptions = {},
): Promise<Response> {
  const { timeoutMs, signal, headers = {} } = options;
  return new Promise((resolve, reject) => {
    const callOptions: CallOptions = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const done = (error: ServiceError | null, response?: Response): void => {
      signal?.removeEventListener('abort', cancel);
      if (error) reject(error);
      else if (response === undefined) reject(new Error(`${path}: neither an error nor a reply`));
      else resolve(response);
    };
    const call = channel.makeUnaryRequest(path, serialize, deserialize, request, metadata, callOptions, done);
    const cancel = (): void => call.cancel();
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
