import type { Deadline, handleUnaryCall } from '@grpc/grpc-js';
import type { CallContext } from '../util/call-context.js';
import { Code, CriError } from '../util/cri-error.js';
import { EncodedReply } from '../util/encoded-reply.js';
import type { Handler } from '../util/handler.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';
import { logCall } from './call-log.js';
import type { CallsInFlight } from './calls-in-flight.js';
import type { Method } from './descriptor.js';
import { codeName, toFailure, toGrpcStatus } from './failure.js';
import type { Failure } from './failure.js';

/** A handler of any RPC, as the wrapper sees it. */
export type AnyHandler = Handler<never, object>;

export interface UnaryDeps {
  readonly log: Logger;
  readonly metrics: MetricsSink;
  readonly inFlight: CallsInFlight;
}

/** How a call ended. */
export interface Served {
  /** Undefined when the request was not decoded. */
  readonly request: object | undefined;
  readonly result: Buffer | Failure;
}

/**
 * The one wrapper round every handler, for grpc-js with request and reply as bytes. It decodes and encodes, gives
 * the handler a signal for cancel and deadline, turns whatever it throws into a status, measures and logs. A
 * client that has gone is no error: grpc-js then drops the reply.
 */
export function unary(
  method: Method,
  handler: AnyHandler | undefined,
  { log, metrics, inFlight }: UnaryDeps,
): handleUnaryCall<Buffer, Buffer> {
  const rpcLog = log.child({ rpc: method.rpc });
  return (call, reply) => {
    const startedAtMs = performance.now();
    const abort = new AbortController();
    let answered = false;
    // grpc-js emits this after each reply too.
    call.on('cancelled', () => {
      if (!answered) abort.abort(whyGone(call.getDeadline()));
    });
    inFlight.begin();
    void serve(method, handler, call.request, { rpc: method.rpc, signal: abort.signal, log: rpcLog })
      .then((served) => {
        answered = true;
        if (Buffer.isBuffer(served.result)) reply(null, served.result);
        else reply(toGrpcStatus(served.result));
        const durationMs = performance.now() - startedAtMs;
        metrics.rpc(method.rpc, codeName(served.result), durationMs);
        logCall(rpcLog, method.rpc, served, durationMs, abort.signal.aborted);
      })
      .finally(() => inFlight.end());
  };
}

/** Never rejects. */
async function serve(
  method: Method,
  handler: AnyHandler | undefined,
  bytes: Buffer,
  ctx: CallContext,
): Promise<Served> {
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

/**
 * A client gives up at its own deadline, which may reach us a moment before our timer for the same deadline;
 * what comes this close to it counts as the deadline.
 */
const DEADLINE_TOLERANCE_MS = 20;

function whyGone(deadline: Deadline): CriError {
  return Date.now() >= Number(deadline) - DEADLINE_TOLERANCE_MS
    ? new CriError(Code.DEADLINE_EXCEEDED, "the call's deadline passed")
    : new CriError(Code.CANCELLED, 'the client gave up the call');
}
