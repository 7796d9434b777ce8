import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  configDump,
  specDump,
  statusDump,
  type CheckpointFacts,
} from '../../../../src/convert/checkpoint/metadata.js';
import { ContainerState } from '../../../../src/gen/runtime/v1/ContainerState.js';

const FACTS: CheckpointFacts = {
  id: 'f'.repeat(64),
  name: 'k8s_web_shop_prod_uid_0',
  containerName: 'web',
  pod: { id: 'e'.repeat(64), name: 'shop', namespace: 'prod', uid: 'uid' },
  annotations: { 'io.kubernetes.container.hash': '1' },
  image: { name: 'shop:1', ref: 'docker-pullable://shop@sha256:abc' },
  runtime: 'runc',
  createdAt: new Date(0),
  checkpointedAt: new Date(1000),
  isRestored: false,
};

describe('what an archive tells of its container', () => {
  it('config.dump has the names of checkpointctl', () => {
    assert.deepEqual(JSON.parse(configDump(FACTS)), {
      id: FACTS.id,
      name: FACTS.name,
      rootfsImage: 'shop:1',
      rootfsImageRef: 'shop@sha256:abc',
      rootfsImageName: 'shop:1',
      runtime: 'runc',
      createdTime: '1970-01-01T00:00:00.000Z',
      checkpointedTime: '1970-01-01T00:00:01.000Z',
      restoredTime: '0001-01-01T00:00:00Z',
      restored: false,
    });
  });

  it('spec.dump is config.json, exact, with the annotations of containerd and CRI-O', () => {
    const text = specDump('{"linux":{"limit":18446744073709551615},"annotations":{"own":"1"}}', FACTS);
    assert.match(text, /"limit":18446744073709551615/);
    const { annotations } = JSON.parse(text) as { annotations: Record<string, string> };
    assert.equal(annotations['own'], '1');
    assert.equal(annotations['io.kubernetes.cri.container-name'], 'web');
    assert.equal(annotations['io.kubernetes.cri.sandbox-name'], 'shop');
    assert.equal(annotations['io.kubernetes.cri.sandbox-namespace'], 'prod');
    assert.deepEqual(JSON.parse(annotations['io.kubernetes.cri-o.Annotations'] ?? ''), FACTS.annotations);
  });

  it('status.dump has times as numbers, whatever labels hold', () => {
    const text = statusDump({
      id: 'x',
      state: ContainerState.CONTAINER_RUNNING,
      created_at: '1764471234567890123',
      started_at: '1764471234567890124',
      labels: { created_at: '5', odd: '"created_at":"6"' },
    });
    assert.match(text, /"created_at":1764471234567890123,"started_at":1764471234567890124,/);
    const { labels, state } = JSON.parse(text) as { labels: unknown; state: unknown };
    assert.deepEqual(labels, { created_at: '5', odd: '"created_at":"6"' });
    assert.equal(state, 1);
  });
});
