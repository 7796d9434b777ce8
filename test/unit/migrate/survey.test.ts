import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../../src/cli/config.js';
import { responseError } from '../../../src/docker/errors.js';
import { surveyPods } from '../../../src/migrate/survey.js';
import { FakeEngine } from '../../support/fake-engine.js';

describe('surveyPods', () => {
  it('goes on past a container that the Engine lists and cannot tell of', async (t) => {
    const engine = new FakeEngine();
    engine.addImage('pause:1');
    const make = (name: string) =>
      engine.createContainer(name, {
        Image: 'pause:1',
        Labels: { 'io.kubernetes.docker.type': 'podsandbox' },
        HostConfig: { IpcMode: 'shareable' },
      });
    await make('k8s_POD_good_ns_uid_0');
    const bad = await make('k8s_POD_bad_ns_uid_0');
    const inspect = engine.inspectContainer.bind(engine);
    t.mock.method(engine, 'inspectContainer', (id: string) =>
      id === bad ? Promise.reject(responseError(500, 'no layer')) : inspect(id),
    );
    const config = loadConfig({ flags: new Map(), env: {}, configFiles: [] });
    const { pods, unreadable } = await surveyPods(engine, config, 'from');
    assert.deepEqual(
      pods.map(({ name }) => name),
      ['good'],
    );
    assert.deepEqual(unreadable, ['k8s_POD_bad_ns_uid_0: no layer']);
  });

  it('tells, on the way back, which pods the companion has started', async () => {
    const engine = new FakeEngine();
    engine.addImage('pause:1');
    for (const [name, Runtime] of [
      ['k8s_POD_own_ns_uid_0', 'io.containerd.cridock.v2'],
      ['k8s_POD_plain_ns_uid_0', 'runc'],
    ] as const) {
      const Labels = { 'io.kubernetes.docker.type': 'podsandbox' };
      const HostConfig = { IpcMode: 'shareable', Runtime };
      await engine.startContainer(
        await engine.createContainer(name, { Image: 'pause:1', Labels, HostConfig }),
      );
    }
    const config = loadConfig({ flags: new Map(), env: {}, configFiles: [] });
    const told = async (direction: 'from' | 'to') =>
      (await surveyPods(engine, config, direction)).pods
        .filter(({ remarks }) => remarks.some((remark) => remark.includes('companion runtime')))
        .map(({ name }) => name);
    assert.deepEqual(await told('to'), ['own']);
    assert.deepEqual(await told('from'), []);
  });
});
