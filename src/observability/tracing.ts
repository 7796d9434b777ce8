import { AsyncLocalStorage } from 'node:async_hooks';
import { hostname } from 'node:os';
import { DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, diag, trace } from '@opentelemetry/api';
import type { Attributes, Context, TextMapGetter, Tracer } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { CallTrace, CallTraces } from '../util/call-traces.js';
import { Code, nameOfCode } from '../util/cri-error.js';
import type { Logger } from '../util/log.js';
import type { MetricsSink } from '../util/metrics-sink.js';
import { within } from '../util/within.js';

export interface TracingOptions {
  /** A collector's URL, `http://` or `https://`, that takes OTLP over gRPC. */
  readonly endpoint: string;
  /** How many of a million calls are followed whose caller has not decided; a caller's own decision is kept. */
  readonly samplesPerMillion: number;
  readonly version: string;
  readonly log: Logger;
}

/** How long the last spans may take to leave when cridock stops. */
const FLUSH_MS = 2_000;
/** A collector that is away is told of once in this time. */
const COMPLAIN_EVERY_MS = 600_000;

/** What OpenTelemetry's conventions for RPC servers call an error; the rest is the client's own. */
const SERVER_ERRORS: ReadonlySet<Code> = new Set([
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
]);

type ReadHeader = (name: string) => string | undefined;

const BY_NAME: TextMapGetter<ReadHeader> = { get: (read, name) => read(name), keys: () => [] };

/** A call that is being served, as what is done for it finds it. */
interface Following {
  readonly context: Context;
  /** What a call has begun and left running, such as the reading of a log, is not told as its part for ever. */
  ended: boolean;
}

/**
 * Sends traces to an OpenTelemetry collector: one span for each CRI call, a child of the caller's where the caller sends a
 * W3C trace context as the kubelet does, with a span for each Engine request and CNI operation that was made for it. Spans
 * are sent in batches, 2,048 wait at most, and a collector that is away costs spans and nothing else.
 */
export class Tracing implements CallTraces {
  readonly #calls = new AsyncLocalStorage<Following>();
  readonly #propagator = new W3CTraceContextPropagator();
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;

  constructor({ endpoint, samplesPerMillion, version, log }: TracingOptions) {
    diag.setLogger(complaints(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': 'cridock',
        'service.version': version,
        'service.instance.id': `${hostname()}-${process.pid}`,
        'host.name': hostname(),
        'process.pid': process.pid,
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplesPerMillion / 1e6) }),
      spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: endpoint }) })],
    });
    this.#tracer = this.#provider.getTracer('cridock', version);
    log.info('sending traces', { endpoint, samplesPerMillion });
  }

  begin(path: string, header: ReadHeader): CallTrace {
    const caller = this.#propagator.extract(ROOT_CONTEXT, header, BY_NAME);
    const [, service = '', method = ''] = path.split('/');
    const span = this.#tracer.startSpan(
      `${service}/${method}`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method },
      },
      caller,
    );
    const following: Following = { context: trace.setSpan(caller, span), ended: false };
    return {
      run: (work) => this.#calls.run(following, work),
      end: (code) => {
        following.ended = true;
        span.setAttribute('rpc.grpc.status_code', code ?? 0);
        if (code !== undefined && SERVER_ERRORS.has(code)) {
          span.setStatus({ code: SpanStatusCode.ERROR, message: nameOfCode(code) });
        }
        span.end();
      },
    };
  }

  /** Tells `metrics` all that it is told, and what is done for a call as a part of the call's trace too. */
  beside(metrics: MetricsSink): MetricsSink {
    return {
      ...metrics,
      engineCall: (operation, code, durationMs) => {
        metrics.engineCall(operation, code, durationMs);
        const attributes = { 'peer.service': 'docker', 'docker.operation': operation };
        this.#tellPart(`Docker ${operation}`, SpanKind.CLIENT, attributes, code, durationMs);
      },
      cniOperation: (operation, code, durationMs) => {
        metrics.cniOperation(operation, code, durationMs);
        const attributes = { 'cni.operation': operation };
        this.#tellPart(`CNI ${operation}`, SpanKind.INTERNAL, attributes, code, durationMs);
      },
    };
  }

  /** Sends what is left, if it can be sent soon. */
  async stop(): Promise<void> {
    await within(
      FLUSH_MS,
      this.#provider.shutdown().catch(() => undefined),
    );
  }

  /** A part that has just ended, after `durationMs`. */
  #tellPart(name: string, kind: SpanKind, attributes: Attributes, code: string, durationMs: number): void {
    const following = this.#calls.getStore();
    if (following === undefined || following.ended) return;
    const endMs = Date.now();
    const span = this.#tracer.startSpan(
      name,
      { kind, attributes, startTime: endMs - durationMs },
      following.context,
    );
    if (code !== 'OK') {
      span.setAttribute('error.type', code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    }
    span.end(endMs);
  }
}

/** Where OpenTelemetry's own troubles go: a collector that is away must not fill the log. */
function complaints(log: Logger) {
  let toldAtMs = -Infinity;
  const complain = (message: string): void => {
    const nowMs = performance.now();
    const fields = { reason: reasonIn(message) };
    if (nowMs - toldAtMs < COMPLAIN_EVERY_MS) {
      log.debug('traces are lost', fields);
      return;
    }
    toldAtMs = nowMs;
    log.warn('traces are lost', fields);
  };
  const nothing = (): void => undefined;
  return { error: complain, warn: complain, info: nothing, debug: nothing, verbose: nothing };
}

/** The SDK tells errors as JSON with a stack. */
function reasonIn(message: string): string {
  try {
    const told: unknown = JSON.parse(message);
    const text: unknown =
      typeof told === 'object' && told !== null ? Reflect.get(told, 'message') : undefined;
    return typeof text === 'string' ? text : message;
  } catch {
    return message;
  }
}
