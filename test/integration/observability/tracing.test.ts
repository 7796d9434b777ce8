import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noEngine } from '../../support/cridock-process.js';
import { startOtlpCollector } from '../../support/otlp-collector.js';
import { podConfig } from '../../support/pods.js';
import { TestNode } from '../../support/test-node.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

describe('traces', { skip: noEngine }, () => {
  it("show of a RunPodSandbox the caller's span above it, the Engine's requests and CNI's below", async (t) => {
    const collector = await startOtlpCollector();
    t.after(() => collector.close());
    const node = await TestNode.start([`--tracing-endpoint=127.0.0.1:${collector.port}`]);
    t.after(() => node.close());
    const config = podConfig('traced', node.cridock.directory);
    const headers = { traceparent: `00-${TRACE}-${CALLER}-01` };
    const { pod_sandbox_id: id } = await node.runtime.RunPodSandbox({ config }, { headers });
    await node.runtime.StopPodSandbox({ pod_sandbox_id: id });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: id });

    const call = await collector.span('runtime.v1.RuntimeService/RunPodSandbox', TRACE);
    assert.equal(call.parentId, CALLER);
    const parts = collector.spans.filter(({ parentId }) => parentId === call.spanId);
    const names = new Set(parts.map(({ name }) => name));
    for (const name of ['Docker create_container', 'Docker start_container', 'CNI ADD']) {
      assert.ok(names.has(name), `${name} is missing of ${[...names].join(', ')}`);
    }
    for (const { name, durationMs } of parts) assert.ok(durationMs <= call.durationMs, name);
    // The others came without a caller's trace.
    assert.deepEqual(
      collector.spans.filter(({ traceId }) => traceId !== TRACE),
      [],
    );
  });
});
