import type { handleUnaryCall } from '@grpc/grpc-js';
import type { CallContext } from '../util/call-context.js';
import { Code, CriError } from '../util/cri-error.js';
import { EncodedReply } from '../util/encoded-reply.js';
import type { Handler } from '../util/handler.js';
import type { Method } from './descriptor.js';
import { toFailure, toGrpcStatus } from './failure.js';
import type { Failure } from './failure.js';
import { beginServing } from './serving.js';
import type { ServingDeps } from './serving.js';

/** A handler of any RPC that answers once, as the wrapper sees it. */
export type AnyHandler = Handler<never, object>;

/**
 * The one wrapper round every handler that answers once, for grpc-js with request and reply as bytes. It decodes and
 * encodes, gives the handler a signal for cancel and deadline, turns whatever it throws into a status, measures and
 * logs. A client that has gone is no error: grpc-js then drops the reply.
 */
export function unary(
  method: Method,
  handler: AnyHandler | undefined,
  deps: ServingDeps,
): handleUnaryCall<Buffer, Buffer> {
  const log = deps.log.child({ rpc: method.rpc });
  return (call, reply) => {
    const serving = beginServing(method, call, { ...deps, log });
    const served = serving.run(() => serve(method, handler, call.request, serving.ctx));
    void served.then(({ request, result }) => {
      const failure = Buffer.isBuffer(result) ? undefined : result;
      serving.end({ request, failure }, () => {
        if (Buffer.isBuffer(result)) reply(null, result);
        else reply(toGrpcStatus(result));
      });
    });
  };
}

/** Never rejects. */
async function serve(
  method: Method,
  handler: AnyHandler | undefined,
  bytes: Buffer,
  ctx: CallContext,
): Promise<{ request: object | undefined; result: Buffer | Failure }> {
  let request: object | undefined;
  try {
    if (handler === undefined) throw new CriError(Code.UNIMPLEMENTED, `${method.rpc} is not implemented`);
    request = method.decode(bytes);
    // The handler's type and the decoder come from the same proto file.
    const reply = await handler(request as never, ctx);
    return { request, result: reply instanceof EncodedReply ? reply.bytes : method.encode(reply) };
  } catch (error) {
    return { request, result: toFailure(error, ctx) };
  }
}
