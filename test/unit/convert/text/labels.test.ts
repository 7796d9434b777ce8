import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { containerLabels, parseLabels, sandboxLabels } from '../../../../src/convert/text/labels.js';
import type { ContainerInspect } from '../../../../src/docker/types.js';

const FIXTURES = join(import.meta.dirname, '../../../../../test/fixtures/inspect');

describe('labels', () => {
  it("of a sandbox are cri-dockerd's, and facts of our own", () => {
    const facts = { labels: { app: 'x' }, annotations: { 'a.b/c': 'v' }, own: { 'spec-hash': '1' } };
    const labels = sandboxLabels(facts);
    assert.deepEqual(labels, {
      app: 'x',
      'annotation.a.b/c': 'v',
      'io.cridock.spec-hash': '1',
      'io.kubernetes.container.name': 'POD',
      'io.kubernetes.docker.type': 'podsandbox',
    });
    assert.deepEqual(parseLabels(labels), { kind: 'sandbox', ...facts });
  });

  it("of a container are cri-dockerd's, and facts of our own", () => {
    const facts = {
      labels: { 'io.kubernetes.container.name': 'c1' },
      annotations: { 'io.kubernetes.container.hash': 'abc' },
      own: { image: 'busybox' },
      sandboxId: 'ebb7',
      logPath: '/var/log/pods/p1/c1/0.log',
    };
    const labels = containerLabels(facts);
    assert.deepEqual(labels, {
      'io.kubernetes.container.name': 'c1',
      'annotation.io.kubernetes.container.hash': 'abc',
      'io.cridock.image': 'busybox',
      'io.kubernetes.docker.type': 'container',
      'io.kubernetes.sandbox.id': 'ebb7',
      'io.kubernetes.container.logpath': '/var/log/pods/p1/c1/0.log',
    });
    assert.deepEqual(parseLabels(labels), { kind: 'container', ...facts });
  });

  it('that a pod sets to keys of ours come back, and change nothing of ours', () => {
    const labels = {
      'io.kubernetes.docker.type': 'x',
      'io.kubernetes.sandbox.id': 'y',
      'io.kubernetes.container.name': 'z',
      'annotation.a': 'not an annotation',
      'io.cridock.image': 'not a fact',
      'io.cridock.label.a': 'not escaped',
    };
    const facts = { labels, annotations: { a: 'one' }, own: { image: 'busybox' } };
    assert.deepEqual(parseLabels(sandboxLabels(facts)), { kind: 'sandbox', ...facts });
    const ofContainer = { ...facts, sandboxId: 's', logPath: '' };
    assert.deepEqual(parseLabels(containerLabels(ofContainer)), { kind: 'container', ...ofContainer });
  });

  it('that cri-dockerd wrote are read', () => {
    assert.deepEqual(parseLabels(inspected('cri-dockerd-sandbox').Config.Labels), {
      kind: 'sandbox',
      labels: { app: 'x', 'io.kubernetes.pod.name': 'p1' },
      annotations: { 'a.b/c': 'v' },
      own: {},
    });
    assert.deepEqual(parseLabels(inspected('cri-dockerd-container').Config.Labels), {
      kind: 'container',
      labels: { l1: 'v1' },
      annotations: { 'io.kubernetes.container.hash': 'abc' },
      own: {},
      sandboxId: 'ebb71ad1368bca6abbbfe6b087259ecd63a4abf75a0fa1798f49c8bb95163e5e',
      logPath: '/var/log/pods/p1/c1/0.log',
    });
  });

  it('of containers that are not of the CRI tell nothing', () => {
    assert.equal(parseLabels(null), undefined);
    assert.equal(parseLabels({ app: 'x' }), undefined);
    assert.equal(parseLabels({ 'io.kubernetes.docker.type': 'other' }), undefined);
  });
});

function inspected(name: string): ContainerInspect {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as ContainerInspect;
}
