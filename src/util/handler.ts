import type { ImageServiceHandlers } from '../gen/runtime/v1/ImageService.js';
import type { RuntimeServiceHandlers } from '../gen/runtime/v1/RuntimeService.js';
import type { CallContext } from './call-context.js';
import type { EncodedReply } from './encoded-reply.js';

/**
 * Serves one unary RPC. `request` is decoded with the loader's defaults: strings are valid UTF-8, unset messages
 * null, unset lists empty. A CriError that it throws becomes the call's status; anything else becomes INTERNAL.
 */
export type Handler<Request, Reply> = (request: Request, ctx: CallContext) => Promise<Reply | EncodedReply>;

/**
 * Serves one RPC that answers with a stream: each message of the iteration is sent when the client has room for it, and
 * the stream ends with the iteration. When the client leaves, the iteration is ended (`return`), and the signal aborts
 * what it waits for. Errors are as for Handler. A message may also be given encoded.
 */
export type StreamHandler<Request, Message> = (
  request: Request,
  ctx: CallContext,
) => AsyncIterable<Message | EncodedReply>;

/** The handlers, of both services, of the RPCs that answer with a stream. An RPC without one answers UNIMPLEMENTED. */
export type StreamHandlers = Streams<RuntimeServiceHandlers> & Streams<ImageServiceHandlers>;

/** The handlers of RuntimeService by RPC. An RPC without one answers UNIMPLEMENTED. */
export type RuntimeHandlers = Handlers<RuntimeServiceHandlers>;

/** The handlers of ImageService by RPC. An RPC without one answers UNIMPLEMENTED. */
export type ImageHandlers = Handlers<ImageServiceHandlers>;

/** Encodes the reply of an RPC; two encoded parts of one reply may be joined (see EncodedReply). */
export type EncodeReply = <Rpc extends UnaryRpc>(rpc: Rpc, reply: ReplyOf<AllHandlers[Rpc]>) => Buffer;

/** The name of an RPC that answers once. */
export type UnaryRpc = keyof AllHandlers;

type AllHandlers = Required<RuntimeHandlers & ImageHandlers>;

type ReplyOf<H> = H extends Handler<never, infer Reply> ? Exclude<Reply, EncodedReply> : never;

/** The unary RPCs among the generated handlers: those that take a call and a callback. */
type Handlers<Generated> = {
  readonly [
    Rpc in keyof Generated as string extends Rpc
      ? never // the index signature of the generated types' base
      : ParametersOf<Generated[Rpc]>['length'] extends 2
        ? Rpc
        : never
  ]?: ParametersOf<Generated[Rpc]> extends [{ request: infer Request }, infer Callback]
    ? Handler<Request, NonNullable<ParametersOf<Callback>[1]>>
    : never;
};

/** The streaming RPCs among the generated handlers: those that take a call alone. */
type Streams<Generated> = {
  readonly [
    Rpc in keyof Generated as string extends Rpc
      ? never
      : ParametersOf<Generated[Rpc]>['length'] extends 1
        ? Rpc
        : never
  ]?: ParametersOf<Generated[Rpc]> extends [StreamCall<infer Request, infer Message>]
    ? StreamHandler<Request, Message>
    : never;
};

/** As much of grpc-js's call as tells the types. */
interface StreamCall<Request, Message> {
  request: Request;
  write(message: Message): boolean;
}

type ParametersOf<F> = F extends (...args: infer Args) => void ? Args : [];
