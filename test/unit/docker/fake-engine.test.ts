import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { engineContract } from '../../support/engine-contract.js';
import { FakeEngine } from '../../support/fake-engine.js';

describe('FakeEngine', () => {
  engineContract(async () => {
    const engine = new FakeEngine();
    let images = 0;
    engine.addImage('cridock.test/busybox:latest');
    const makeImage = async () => {
      const name = `cridock.test/other:${++images}`;
      engine.addImage(name);
      return Promise.resolve(name);
    };
    return Promise.resolve({ engine, image: 'cridock.test/busybox:latest', makeImage });
  });

  it('goes down and comes back with its containers', async () => {
    const engine = new FakeEngine();
    engine.addImage('busybox');
    const id = await engine.createContainer('one', {
      Image: 'docker.io/library/busybox:latest',
      HostConfig: {},
    });
    const following = engine.followEvents({
      filters: {},
      onOpen: () => (engine.down = true),
      onEvent: () => undefined,
    });
    await following;
    assert.equal(engine.negotiated, undefined);
    await assert.rejects(engine.inspectContainer(id), (error) => hasCode(error, Code.UNAVAILABLE));
    engine.down = false;
    assert.equal((await engine.inspectContainer(id)).Name, '/one');
  });

  it('pulls what it was told to have', async () => {
    const engine = new FakeEngine();
    engine.addPullable('registry.k8s.io/pause:3.10');
    await engine.pullImage('registry.k8s.io/pause:3.10', { progressDeadlineMs: 1000 });
    assert.deepEqual((await engine.inspectImage('registry.k8s.io/pause:3.10')).RepoTags, [
      'registry.k8s.io/pause:3.10',
    ]);
    await assert.rejects(
      engine.pullImage('registry.k8s.io/pause:3.11', { progressDeadlineMs: 1000 }),
      (error) => hasCode(error, Code.NOT_FOUND),
    );
  });

  it('tells of a process that ends by itself', async () => {
    const engine = new FakeEngine();
    engine.addImage('busybox');
    const actions: string[] = [];
    const stop = new AbortController();
    const following = engine.followEvents({
      filters: {},
      signal: stop.signal,
      onOpen: () => undefined,
      onEvent: ({ Action }) => actions.push(Action),
    });
    const id = await engine.createContainer('one', { Image: 'busybox', HostConfig: {} });
    await engine.startContainer(id);
    engine.exit(id, 137, true);
    assert.deepEqual(actions, ['create', 'start', 'oom', 'die']);
    assert.equal((await engine.inspectContainer(id)).State.OOMKilled, true);
    stop.abort();
    await assert.rejects(following, (error) => hasCode(error, Code.CANCELLED));
  });
});
