import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerName, parseName, sandboxName } from '../../../../src/convert/text/names.js';
import { assertRefused } from '../refusals.js';

const pod = { name: 'web-0', namespace: 'default', uid: '0a1b-2c', attempt: 3 };

describe('names', () => {
  it("are cri-dockerd's", () => {
    assert.equal(sandboxName(pod), 'k8s_POD_web-0_default_0a1b-2c_3');
    assert.equal(containerName({ name: 'nginx', attempt: 1 }, pod), 'k8s_nginx_web-0_default_0a1b-2c_1');
  });

  it('parse back', () => {
    assert.deepEqual(parseName('/k8s_POD_web-0_default_0a1b-2c_3'), {
      kind: 'sandbox',
      containerName: 'POD',
      podName: 'web-0',
      namespace: 'default',
      uid: '0a1b-2c',
      attempt: 3,
    });
    assert.equal(parseName('k8s_nginx_web-0_default_0a1b-2c_1')?.kind, 'container');
  });

  it('parse with the seventh field that cri-dockerd appends after a conflict', () => {
    assert.equal(parseName('/k8s_nginx_web-0_default_0a1b-2c_1_5f3c9b01')?.attempt, 1);
  });

  it('of other programs do not parse', () => {
    for (const name of [
      '/minikube',
      '/k8s_a_b_c_d',
      '/k8s_a_b_c_d_1_2_3',
      '/k9s_a_b_c_d_1',
      '/k8s_a_b_c_d_x',
      '/k8s_a_b_c_d_-1',
      '/k8s_a_b_c_d_',
      '/k8s_a_b_c_d_4294967296',
    ]) {
      assert.equal(parseName(name), undefined, name);
    }
  });

  it('take what crictl and critest send', () => {
    const odd = {
      name: 'PodSandbox-for-creating-1f-2e',
      namespace: 'default-namespace..x',
      uid: '',
      attempt: 2,
    };
    assert.equal(parseName(sandboxName(odd))?.podName, odd.name);
    assert.equal(parseName(sandboxName(odd))?.namespace, odd.namespace);
  });

  it('that would not parse back are refused', () => {
    assertRefused(() => sandboxName({ ...pod, name: '' }), 'config.metadata.name');
    assertRefused(() => sandboxName({ ...pod, name: 'a_b' }), 'config.metadata.name');
    assertRefused(() => sandboxName({ ...pod, namespace: 'a/b' }), 'config.metadata.namespace');
    assertRefused(() => sandboxName({ ...pod, uid: 'a b' }), 'config.metadata.uid');
    assertRefused(() => sandboxName({ ...pod, uid: 'a\n' }), 'config.metadata.uid');
    assertRefused(() => sandboxName({ ...pod, uid: 'a'.repeat(254) }), 'config.metadata.uid');
    assertRefused(() => containerName({ name: 'a_b', attempt: 0 }, pod), 'config.metadata.name');
    assertRefused(() => containerName({ name: 'POD', attempt: 0 }, pod), 'config.metadata.name');
  });
});
