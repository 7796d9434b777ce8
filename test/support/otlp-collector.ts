import assert from 'node:assert/strict';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { handleUnaryCall } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { until } from './until.js';

/** cridock sends what it has every five seconds. */
const SPANS_WITHIN_MS = 60_000;

/** As much of OTLP as the tests look at, with the numbers that it has on the wire. */
const PROTO = `
  syntax = "proto3";
  message Value { oneof value { string text = 1; bool flag = 2; int64 number = 3; double real = 4; } }
  message Attribute { string key = 1; Value value = 2; }
  message Status { string message = 2; int32 code = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_ns = 7; fixed64 end_ns = 8; repeated Attribute attributes = 9; Status status = 15;
  }
  message ScopeSpans { repeated Span spans = 2; }
  message Resource { repeated Attribute attributes = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Request { repeated ResourceSpans resource_spans = 1; }
`;

interface Wire {
  resource_spans: {
    resource: { attributes: WireAttribute[] };
    scope_spans: {
      spans: {
        trace_id: string;
        span_id: string;
        parent_span_id: string;
        name: string;
        kind: number;
        start_ns: string;
        end_ns: string;
        attributes: WireAttribute[];
        status?: { message: string; code: number };
      }[];
    }[];
  }[];
}
interface WireAttribute {
  key: string;
  value: Record<string, unknown>;
}

/** A span as the collector got it; ids are in hexadecimal. */
export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentId: string;
  readonly name: string;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 2 for an error. */
  readonly statusCode: number;
}

export interface OtlpCollector {
  readonly port: number;
  readonly spans: readonly CollectedSpan[];
  /** Waits until a span of this name has come, in whose trace it may be told to look; answers it. */
  span(name: string, traceId?: string): Promise<CollectedSpan>;
  close(): void;
}

/** A collector of traces on loopback that keeps what it is sent (OTLP over gRPC). */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const request = protobuf.parse(PROTO, { keepCase: true }).root.lookupType('Request');
  const spans: CollectedSpan[] = [];
  const take: handleUnaryCall<Buffer, Buffer> = (call, reply) => {
    const options = { bytes: Buffer, longs: String, defaults: true, arrays: true };
    const decoded = request.toObject(request.decode(call.request), options);
    spans.push(...spansOf(decoded as Wire));
    reply(null, Buffer.alloc(0));
  };
  const asIs = (bytes: Buffer): Buffer => bytes;
  const server = new Server();
  server.addService(
    {
      Export: {
        path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    { Export: take },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    spans,
    close: () => server.forceShutdown(),
    span: async (name, traceId) => {
      let found: CollectedSpan | undefined;
      await until(
        `the span ${name}`,
        () => {
          found = spans.find((span) => span.name === name && (traceId ?? span.traceId) === span.traceId);
          return found !== undefined;
        },
        SPANS_WITHIN_MS,
      );
      assert.ok(found);
      return found;
    },
  };
}

function spansOf(request: Wire): CollectedSpan[] {
  return request.resource_spans.flatMap(({ resource, scope_spans: scopes }) => {
    const service = String(plain(resource.attributes)['service.name']);
    return scopes.flatMap(({ spans }) =>
      spans.map((span) => ({
        service,
        traceId: hex(span.trace_id),
        spanId: hex(span.span_id),
        parentId: hex(span.parent_span_id),
        name: span.name,
        durationMs: Number(BigInt(span.end_ns) - BigInt(span.start_ns)) / 1e6,
        attributes: plain(span.attributes),
        statusCode: span.status?.code ?? 0,
      })),
    );
  });
}

function plain(attributes: WireAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

function hex(bytes: string): string {
  return Buffer.from(bytes).toString('hex');
}
