import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Tracing } from '../../../src/observability/tracing.js';
import { Code, CriError } from '../../../src/util/cri-error.js';
import { silentMetrics } from '../../../src/util/metrics-sink.js';
import type { MetricsSink } from '../../../src/util/metrics-sink.js';
import { captureLog } from '../../support/captured-log.js';
import { serveCri } from '../../support/cri-fixture.js';
import { startOtlpCollector, type OtlpCollector } from '../../support/otlp-collector.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

interface Traced {
  readonly collector: OtlpCollector;
  readonly tracing: Tracing;
  readonly metrics: MetricsSink;
}

async function trace(t: TestContext, samplesPerMillion: number): Promise<Traced> {
  const collector = await startOtlpCollector();
  t.after(() => collector.close());
  const endpoint = `http://127.0.0.1:${collector.port}`;
  const tracing = new Tracing({ endpoint, samplesPerMillion, version: '1.2.3', log: captureLog() });
  return { collector, tracing, metrics: tracing.beside(silentMetrics) };
}

describe('tracing', () => {
  it("tells a call as a child of its caller's span, and what was done for it as its parts", async (t) => {
    const { collector, tracing, metrics } = await trace(t, 0);
    const { client } = await serveCri(t, {
      traces: tracing,
      runtime: {
        Version: async () => {
          await Promise.resolve();
          metrics.engineCall('create_container', 'OK', 40);
          metrics.cniOperation('ADD', 'UNAVAILABLE', 30);
          return {};
        },
      },
    });
    await client.runtime.Version({}, { headers: { traceparent: `00-${TRACE}-${CALLER}-01` } });
    await tracing.stop();

    const call = await collector.span('runtime.v1.RuntimeService/Version');
    assert.equal(call.service, 'cridock');
    assert.deepEqual([call.traceId, call.parentId, call.statusCode], [TRACE, CALLER, 0]);
    assert.equal(call.attributes['rpc.grpc.status_code'], '0');
    const create = await collector.span('Docker create_container');
    assert.deepEqual([create.traceId, create.parentId], [TRACE, call.spanId]);
    assert.equal(Math.round(create.durationMs), 40);
    const add = await collector.span('CNI ADD');
    assert.deepEqual([add.parentId, add.statusCode], [call.spanId, 2]);
    assert.equal(add.attributes['error.type'], 'UNAVAILABLE');
  });

  it('leaves it to callers which of their calls are followed, and follows of the others as many as it is told to', async (t) => {
    const none = await trace(t, 0);
    const all = await trace(t, 1_000_000);
    for (const { tracing } of [none, all]) {
      const { client } = await serveCri(t, {
        traces: tracing,
        runtime: { Version: () => Promise.resolve({}) },
      });
      await client.runtime.Version({});
      await client.runtime.Version({}, { headers: { traceparent: `00-${TRACE}-${CALLER}-00` } });
      await client.runtime.Version({}, { headers: { traceparent: 'nonsense' } });
      await tracing.stop();
    }
    assert.equal(none.collector.spans.length, 0);
    await all.collector.span('runtime.v1.RuntimeService/Version');
    assert.deepEqual(
      all.collector.spans.map(({ parentId, traceId }) => [parentId, traceId === TRACE]),
      [
        ['', false],
        ['', false],
      ],
    );
  });

  it('tells failures of the server as errors, and those of the client not', async (t) => {
    const { collector, tracing } = await trace(t, 1_000_000);
    const { client } = await serveCri(t, {
      traces: tracing,
      runtime: {
        Version: () => Promise.reject(new CriError(Code.UNAVAILABLE, 'no Engine')),
        Status: () => Promise.reject(new CriError(Code.INVALID_ARGUMENT, 'verbose: no')),
      },
    });
    await assert.rejects(client.runtime.Version({}));
    await assert.rejects(client.runtime.Status({}));
    await tracing.stop();
    assert.equal((await collector.span('runtime.v1.RuntimeService/Version')).statusCode, 2);
    const status = await collector.span('runtime.v1.RuntimeService/Status');
    assert.deepEqual([status.statusCode, status.attributes['rpc.grpc.status_code']], [0, '3']);
  });

  it('forgets what goes on when its call has been answered', async (t) => {
    const { collector, tracing, metrics } = await trace(t, 1_000_000);
    let goOn = (): void => undefined;
    const answered = new Promise<void>((resolve) => (goOn = resolve));
    let left = Promise.resolve();
    const { client } = await serveCri(t, {
      traces: tracing,
      runtime: {
        Version: () => {
          left = answered.then(() => metrics.engineCall('read_logs', 'OK', 5));
          return Promise.resolve({});
        },
      },
    });
    await client.runtime.Version({});
    goOn();
    await left;
    await tracing.stop();
    await collector.span('runtime.v1.RuntimeService/Version');
    assert.deepEqual(
      collector.spans.map(({ name }) => name),
      ['runtime.v1.RuntimeService/Version'],
    );
  });

  it('says once that a collector is away, and does not wait for it', async (t) => {
    const log = captureLog();
    const tracing = new Tracing({
      endpoint: 'http://127.0.0.1:1',
      samplesPerMillion: 1e6,
      version: '1',
      log,
    });
    const { client } = await serveCri(t, {
      traces: tracing,
      runtime: { Version: () => Promise.resolve({}) },
    });
    for (let call = 0; call < 600; call += 1) await client.runtime.Version({}); // more than a batch
    const startMs = performance.now();
    await tracing.stop();
    assert.ok(performance.now() - startMs < 10_000);
    const warnings = log.lines.filter(({ level }) => level === 'warn');
    assert.ok(warnings.length <= 1, JSON.stringify(warnings));
  });
});
