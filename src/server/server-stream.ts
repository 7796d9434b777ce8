import { once } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import type { ServerWritableStream, handleServerStreamingCall } from '@grpc/grpc-js';
import { Code, CriError } from '../util/cri-error.js';
import type { CallContext } from '../util/call-context.js';
import { EncodedReply } from '../util/encoded-reply.js';
import type { StreamHandler } from '../util/handler.js';
import type { Method } from './descriptor.js';
import { toFailure, toGrpcStatus } from './failure.js';
import { beginServing } from './serving.js';
import type { ServingDeps } from './serving.js';
import type { Served } from './failure.js';

/** A handler of any RPC that answers with a stream, as the wrapper sees it. */
export type AnyStreamHandler = StreamHandler<never, object>;

/**
 * The one wrapper round every handler that answers with a stream; does what `unary` does for the others. A message is
 * only asked of the handler when the client has taken those before it, so that a slow client holds up nothing but its
 * own stream. A server that stops ends all streams with UNAVAILABLE.
 */
export function serverStream(
  method: Method,
  handler: AnyStreamHandler | undefined,
  deps: ServingDeps,
): handleServerStreamingCall<Buffer, Buffer> {
  const log = deps.log.child({ rpc: method.rpc });
  return (call) => {
    const serving = beginServing(method, call, { ...deps, log });
    const stop = (): void => serving.abort(new CriError(Code.UNAVAILABLE, 'cridock is stopping'));
    if (deps.stopping.aborted) stop();
    deps.stopping.addEventListener('abort', stop);
    call.on('error', () => undefined); // a broken connection also comes as `cancelled`
    void serving
      .run(() => serve(method, handler, call, serving.ctx))
      .then((served) => {
        deps.stopping.removeEventListener('abort', stop);
        serving.end(served, () => {
          if (served.failure === undefined) call.end();
          else call.emit('error', toGrpcStatus(served.failure));
        });
      });
  };
}

/** Never rejects. */
async function serve(
  method: Method,
  handler: AnyStreamHandler | undefined,
  call: ServerWritableStream<Buffer, Buffer>,
  ctx: CallContext,
): Promise<Served> {
  let request: object | undefined;
  try {
    if (handler === undefined) throw new CriError(Code.UNIMPLEMENTED, `${method.rpc} is not implemented`);
    request = method.decode(call.request);
    // The handler's type and the decoder come from the same proto file.
    const messages = handler(request as never, ctx);
    call.sendMetadata(new Metadata()); // tells the client that it is served, before there is a message
    for await (const message of messages) {
      ctx.signal.throwIfAborted();
      const bytes = message instanceof EncodedReply ? message.bytes : method.encode(message);
      if (!call.write(bytes)) await once(call, 'drain', { signal: ctx.signal });
    }
    return { request, failure: undefined };
  } catch (error) {
    return { request, failure: toFailure(error, ctx) };
  }
}
