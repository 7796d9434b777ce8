import assert from 'node:assert/strict';
import { startOtlpCollector, type CollectedSpan } from '../../support/otlp-collector.js';
import { withCridockFlags } from '../support/cridock-flags.js';
import { withKubelet } from '../support/kubelet-settings.js';
import { subject, waitFor } from '../support/pod-case.js';

const RUN = 'runtime.v1.RuntimeService/RunPodSandbox';

subject(
  'tracing',
  ({ quick }) => {
    quick("a pod's trace leads from the kubelet through cridock to the Engine and to CNI", async (world) => {
      const collector = await startOtlpCollector();
      const endpoint = `127.0.0.1:${collector.port}`;
      try {
        await withCridockFlags([`--tracing-endpoint=${endpoint}`], () =>
          withKubelet({ tracing: { endpoint, samplingRatePerMillion: 1_000_000 } }, async () => {
            await world.ready();
            const byId = (id: string): CollectedSpan | undefined =>
              collector.spans.find(({ spanId }) => spanId === id);
            const call = await waitFor('the spans of both', () => {
              const run = collector.spans.find(({ service, name }) => service === 'cridock' && name === RUN);
              return Promise.resolve(run !== undefined && byId(run.parentId) !== undefined ? run : undefined);
            });
            assert.equal(byId(call.parentId)?.service, 'kubelet');
            const parts = collector.spans.filter(({ parentId }) => parentId === call.spanId);
            const names = parts.map(({ name }) => name);
            for (const name of ['Docker create_container', 'Docker start_container', 'CNI ADD']) {
              assert.ok(names.includes(name), `${name} is missing of ${names.join(', ')}`);
            }
          }),
        );
      } finally {
        collector.close();
      }
    });
  },
  1,
);
