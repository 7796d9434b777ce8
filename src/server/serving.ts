import { setMaxListeners } from 'node:events';
import type { Deadline } from '@grpc/grpc-js';
import type { CallContext } from '../util/call-context.js';
import { Code, CriError } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';
import { logCall } from './call-log.js';
import type { CallsInFlight } from './calls-in-flight.js';
import type { Method } from './descriptor.js';
import { codeName } from './failure.js';
import type { Served } from './failure.js';

export interface ServingDeps {
  readonly log: Logger;
  readonly metrics: MetricsSink;
  readonly inFlight: CallsInFlight;
  /** Aborts when the server stops: streams, which may be endless, end then. */
  readonly stopping: AbortSignal;
}

/** As much of grpc-js's calls as this needs. */
interface Call {
  on(event: 'cancelled', listener: () => void): unknown;
  getDeadline(): Deadline;
}

/** One call from its arrival to its end. */
export interface Serving {
  readonly ctx: CallContext;
  /** Gives the call up, as if the client had. */
  abort(reason: CriError): void;
  /** Ends the call: `answer` gives the client its status, then the call is measured and logged. */
  end(served: Served, answer: () => void): void;
}

/** Begins to serve a call: gives its handler a signal for cancel and deadline, and counts it. */
export function beginServing(method: Method, call: Call, { log, metrics, inFlight }: ServingDeps): Serving {
  const startedAtMs = performance.now();
  const abort = new AbortController();
  setMaxListeners(0, abort.signal); // one for each request to the Engine: a pod may have many containers
  let ended = false;
  // grpc-js emits this after each reply too.
  call.on('cancelled', () => {
    if (!ended) abort.abort(whyGone(call.getDeadline()));
  });
  inFlight.begin();
  return {
    ctx: { rpc: method.rpc, signal: abort.signal, log },
    abort: (reason) => abort.abort(reason),
    end: (served, answer) => {
      ended = true;
      answer();
      const durationMs = performance.now() - startedAtMs;
      metrics.rpc(method.rpc, codeName(served.failure), durationMs);
      logCall(log, method.rpc, served, durationMs, abort.signal.aborted);
      inFlight.end();
    },
  };
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
