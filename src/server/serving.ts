import { setMaxListeners } from 'node:events';
import type { Deadline, Metadata } from '@grpc/grpc-js';
import { afterAnswers } from '../util/after-answers.js';
import type { CallContext } from '../util/call-context.js';
import type { CallTraces } from '../util/call-traces.js';
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
  readonly traces: CallTraces;
  readonly inFlight: CallsInFlight;
  /** Aborts when the server stops: streams, which may be endless, end then. */
  readonly stopping: AbortSignal;
}

/** As much of grpc-js's calls as this needs. */
interface Call {
  on(event: 'cancelled', listener: () => void): unknown;
  getDeadline(): Deadline;
  readonly metadata: Pick<Metadata, 'get'>;
}

/** One call from its arrival to its end. */
export interface Serving {
  readonly ctx: CallContext;
  /** Does the call's work, which is followed where calls are. */
  run<T>(work: () => T): T;
  /** Gives the call up, as if the client had. */
  abort(reason: CriError): void;
  /** Ends the call: `answer` gives the client its status, then the call is measured and logged, a success once that has left. */
  end(served: Served, answer: () => void): void;
}

/** Begins to serve a call: gives its handler a signal for cancel and deadline, and counts it. */
export function beginServing(
  method: Method,
  call: Call,
  { log, metrics, traces, inFlight }: ServingDeps,
): Serving {
  const startedAtMs = performance.now();
  const trace = traces.begin(method.path, (name) => call.metadata.get(name)[0]?.toString());
  const abort = new AbortController();
  setMaxListeners(0, abort.signal); // one for each request to the Engine: a pod may have many containers
  let ended = false;
  // grpc-js emits this after each reply too.
  call.on('cancelled', () => {
    if (!ended) abort.abort(whyGone(call.getDeadline()));
  });
  const endInFlight = inFlight.begin(method.rpc);
  return {
    ctx: { rpc: method.rpc, signal: abort.signal, log },
    run: (work) => trace.run(work),
    abort: (reason) => abort.abort(reason),
    end: (served, answer) => {
      ended = true;
      answer();
      const durationMs = performance.now() - startedAtMs;
      const unheard = abort.signal.aborted;
      trace.end(served.failure?.status.code);
      const note = (): void => {
        metrics.rpc(method.rpc, codeName(served.failure), durationMs);
        logCall(log, method.rpc, served, durationMs, unheard);
        endInFlight();
      };
      if (served.failure === undefined) afterAnswers(note);
      else note();
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
