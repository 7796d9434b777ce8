import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '../../../src/observability/metrics.js';

describe('createMetrics', () => {
  it('counts and times', async () => {
    const metrics = createMetrics();
    metrics.rpc('Version', 'OK', 20);
    metrics.engineCall('containerCreate', 'OK', 1);
    metrics.cniOperation('ADD', 'UNKNOWN', 1);
    metrics.stateResync('reconnect');
    metrics.stateDivergence(3);
    const text = await metrics.text();
    assert.match(text, /^cri_rpc_duration_seconds_sum\{rpc="Version",code="OK"\} 0\.02$/m);
    assert.match(
      text,
      /^cri_engine_request_duration_seconds_count\{operation="containerCreate",code="OK"\} 1$/m,
    );
    assert.match(text, /^cri_cni_operation_duration_seconds_count\{operation="ADD",code="UNKNOWN"\} 1$/m);
    assert.match(text, /^cri_state_resyncs_total\{reason="reconnect"\} 1$/m);
    assert.match(text, /^cri_state_divergences_total 3$/m);
  });

  it('keeps a registry for each', async () => {
    createMetrics().rpc('Version', 'OK', 1);
    assert.doesNotMatch(await createMetrics().text(), /rpc="Version"/);
  });
});
