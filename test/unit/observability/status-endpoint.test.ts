import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '../../../src/observability/metrics.js';
import { StatusEndpoint } from '../../../src/observability/status-endpoint.js';
import { silentLogger } from '../../../src/util/log.js';

describe('StatusEndpoint', () => {
  it('serves metrics, health and readiness', async (t) => {
    const metrics = createMetrics();
    metrics.watchProcess();
    metrics.watch('cri_sandboxes', 'Pod sandboxes.', () => 7);
    metrics.rpc('Version', 'OK', 2);
    let problem: string | undefined = 'no Engine yet';
    const endpoint = new StatusEndpoint({
      metrics,
      log: silentLogger,
      whyNotReady: () => Promise.resolve(problem),
    });
    const { port } = await endpoint.listen({ host: '127.0.0.1', port: 0 });
    t.after(() => endpoint.close());
    const ask = async (path: string, method = 'GET'): Promise<[number, string]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      return [response.status, await response.text()];
    };
    assert.deepEqual(await ask('/healthz'), [200, 'ok\n']);
    assert.deepEqual(await ask('/readyz'), [503, 'no Engine yet\n']);
    problem = undefined;
    assert.deepEqual(await ask('/readyz?verbose'), [200, 'ok\n']);
    const [status, text] = await ask('/metrics');
    assert.equal(status, 200);
    assert.match(text, /^cri_sandboxes 7$/m);
    assert.match(text, /^cri_rpc_duration_seconds_count\{rpc="Version",code="OK"\} 1$/m);
    assert.match(text, /^process_resident_memory_bytes \d+$/m);
    assert.equal((await ask('/else'))[0], 404);
    assert.equal((await ask('/metrics', 'POST'))[0], 405);
  });

  it('says so when the address cannot be had', async (t) => {
    const options = {
      metrics: createMetrics(),
      log: silentLogger,
      whyNotReady: () => Promise.resolve(undefined),
    };
    const first = new StatusEndpoint(options);
    const { port } = await first.listen({ host: '127.0.0.1', port: 0 });
    t.after(() => first.close());
    await assert.rejects(new StatusEndpoint(options).listen({ host: '127.0.0.1', port }), {
      code: 'EADDRINUSE',
    });
  });
});
