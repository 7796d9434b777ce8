import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import { silentLogger } from '../../../src/util/log.js';
import { FaultyEngine } from '../../fault/faults/faulty-engine.js';
import {
  makeTestDirectory,
  noEngine,
  startCridock,
  testDockerEndpoint,
} from '../../support/cridock-process.js';
import { dockerRequest } from '../../support/docker-request.js';
import { ensureTestImage } from '../../support/images.js';
import { TestNode } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** Only how long a failing test waits: a busy Engine takes its time, and nothing is judged by it. */
const AT_LAST_MS = 60_000;

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');

/** What one object cannot do, or not now, is its own affair: the node stays ready, and all others are told rightly. */
describe('one bad object', { skip: noEngine }, () => {
  let node: TestNode;
  let proxy: FaultyEngine;

  before(async () => {
    const directory = makeTestDirectory();
    const image = await ensureTestImage(ENGINE_SOCKET);
    const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
    await engine.negotiate();
    const socket = join(directory, 'docker.sock');
    proxy = await FaultyEngine.listen(ENGINE_SOCKET, socket);
    const cridock = await startCridock({ directory, flags: [`--docker-endpoint=unix://${socket}`] });
    node = new TestNode(cridock, engine, image);
  });
  afterEach(() => void (proxy.treat = undefined));
  after(async () => {
    await node.close();
    await proxy.close();
  });

  const inspectOf =
    (id: string) =>
    ({ path }: { path: string }): boolean =>
      path.endsWith(`/containers/${id}/json`);

  async function condition(type: string): Promise<{ isTrue: boolean; message: string }> {
    const { status } = await node.runtime.Status({});
    const found = status?.conditions.find((each) => each.type === type);
    return { isTrue: found?.status === true, message: found?.message ?? '' };
  }

  async function stateOf(id: string): Promise<ContainerState | undefined> {
    const { containers } = await node.runtime.ListContainers({});
    return containers.find((each) => each.id === id)?.state;
  }

  /** cridock begins anew, and has connected to the Engine: reads wait for that. */
  async function restart(): Promise<void> {
    await node.cridock.restart();
    await node.runtime.ListContainers({});
    assert.ok((await condition('RuntimeReady')).isTrue);
  }

  /** The node is ready, names the culprit, and another pod can be made, read and removed. */
  async function othersAreFine(culprit: string): Promise<void> {
    assert.ok((await condition('RuntimeReady')).isTrue);
    await until(
      'the culprit to be named',
      async () => (await condition('ObjectsReadable')).message.includes(culprit),
      AT_LAST_MS,
    );
    const pod = await node.pod();
    const { id } = await node.start(pod);
    assert.equal((await node.status(id)).state, ContainerState.CONTAINER_RUNNING);
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
    assert.ok((await condition('RuntimeReady')).isTrue);
    assert.doesNotMatch(node.cridock.log(), /lost the Docker Engine/);
  }

  it('an ended container whose layer is gone: told as it was, also after a restart, and removable', async (t) => {
    const pod = await node.pod();
    const id = await node.create(pod, { run: 'exit 3' });
    await node.runtime.StartContainer({ container_id: id });
    await node.ended(id);
    const { GraphDriver: driver } = await node.engine.inspectContainer(id);
    const upper = driver?.Data?.['UpperDir'];
    if (upper === undefined) {
      t.skip('the containerd image store has no folder of the container');
      return;
    }
    rmSync(join(upper, '..'), { recursive: true });
    if (
      await node.engine.inspectContainer(id).then(
        () => true,
        () => false,
      )
    ) {
      t.skip('this Engine can read it all the same');
      return;
    }
    await restart();
    await othersAreFine(id);
    const status = await node.status(id);
    assert.equal(status.state, ContainerState.CONTAINER_EXITED);
    assert.equal(status.exit_code, 3);
    await node.runtime.StopContainer({ container_id: id, timeout: 0 });
    await node.runtime.RemoveContainer({ container_id: id });
    assert.equal(await stateOf(id), undefined);
    assert.ok((await condition('ObjectsReadable')).isTrue);
  });

  for (const kind of ['status', 'hung'] as const) {
    const what = kind === 'status' ? 'answers 500' : 'is not answered';
    it(`a running container whose inspect ${what}: runs on, also after a restart, and heals`, async () => {
      const pod = await node.pod();
      const { id } = await node.start(pod);
      proxy.treat = (request) =>
        !inspectOf(id)(request)
          ? undefined
          : kind === 'status'
            ? { kind, status: 500 }
            : { kind, reaches: false };
      await restart();
      await othersAreFine(id);
      assert.equal(await stateOf(id), ContainerState.CONTAINER_RUNNING);
      proxy.treat = undefined;
      // By itself it is read again too, but after a pause as long as it could not be read before.
      for (const change of ['pause', 'unpause'])
        await dockerRequest(testDockerEndpoint, 'POST', `/containers/${id}/${change}`);
      await until('healing', async () => (await condition('ObjectsReadable')).isTrue, AT_LAST_MS);
      assert.equal(await stateOf(id), ContainerState.CONTAINER_RUNNING);
    });

    it(`a container whose inspect ${what}, and a sandbox: stopped and removed by id`, async () => {
      const pod = await node.pod();
      const { id } = await node.start(pod);
      const culprits = [id, pod.id];
      proxy.treat = (request) =>
        !culprits.some((culprit) => inspectOf(culprit)(request))
          ? undefined
          : kind === 'status'
            ? { kind, status: 500 }
            : { kind, reaches: false };
      await restart();
      await othersAreFine(pod.id);
      const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
      assert.equal(status?.state, PodSandboxState.SANDBOX_READY);
      await node.runtime.StopContainer({ container_id: id, timeout: 0 });
      await until(
        'the end',
        async () => (await stateOf(id)) !== ContainerState.CONTAINER_RUNNING,
        AT_LAST_MS,
      );
      await node.runtime.RemoveContainer({ container_id: id });
      await node.runtime.StopPodSandbox({ pod_sandbox_id: pod.id });
      await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
      const left = await node.engine.listContainers([]);
      assert.ok(!left.some((entry) => culprits.includes(entry.Id)));
    });
  }

  it('a log that cannot be drained holds back the end of its container, and no list', async (t) => {
    if (!node.engine.supports('1.42')) {
      t.skip("this Engine's logs are read from its files");
      return;
    }
    const pod = await node.pod();
    proxy.treat = ({ path }) => (path.includes('/logs?') ? { kind: 'slow', ms: 20_000 } : undefined);
    const id = await node.create(pod, { run: 'echo said', log_path: 'slow.log' });
    await node.runtime.StartContainer({ container_id: id });
    await until(
      'the end for Docker',
      async () => !(await node.engine.inspectContainer(id)).State.Running,
      AT_LAST_MS,
    );
    const comparedMs = performance.now() + 15_000; // a comparison with the list falls into it
    while (performance.now() < comparedMs) {
      assert.ok((await condition('RuntimeReady')).isTrue);
      await node.runtime.ListContainers({});
    }
    assert.doesNotMatch(node.cridock.log(), /lost the Docker Engine/);
    await until('its end', async () => (await stateOf(id)) === ContainerState.CONTAINER_EXITED, AT_LAST_MS);
  });

  it('StopContainer during a slow start: the container does not run afterwards', async () => {
    const pod = await node.pod();
    const id = await node.create(pod);
    let hasBegun = false;
    proxy.treat = ({ path }) => {
      if (!path.includes(`/${id}/start`)) return undefined;
      hasBegun = true;
      return { kind: 'slow', ms: 2_000 };
    };
    const starting = node.runtime.StartContainer({ container_id: id });
    await until('the start', () => hasBegun, AT_LAST_MS);
    await node.runtime.StopContainer({ container_id: id, timeout: 0 });
    await starting;
    assert.equal((await node.engine.inspectContainer(id)).State.Running, false);
    assert.equal(await stateOf(id), ContainerState.CONTAINER_EXITED);
  });

  it('a sandbox that is restarted behind its back: not ready, as its new namespace is empty', async () => {
    const pod = await node.pod();
    await dockerRequest(testDockerEndpoint, 'POST', `/containers/${pod.id}/restart?t=0`);
    await until(
      'not ready',
      async () => {
        const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
        return status?.state === PodSandboxState.SANDBOX_NOTREADY && status.network?.ip === '';
      },
      AT_LAST_MS,
    );
    await node.cridock.restart();
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.equal(status?.state, PodSandboxState.SANDBOX_NOTREADY);
  });

  it('a sandbox that is removed behind its back: its containers are stopped and removed by its id', async () => {
    const pod = await node.pod();
    const { id } = await node.start(pod);
    await dockerRequest(testDockerEndpoint, 'DELETE', `/containers/${pod.id}?force=1`);
    await until(
      'gone',
      async () =>
        node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id }).then(
          () => false,
          () => true,
        ),
      AT_LAST_MS,
    );
    await node.runtime.StopPodSandbox({ pod_sandbox_id: pod.id });
    assert.equal(await stateOf(id), ContainerState.CONTAINER_EXITED);
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
    assert.equal(await stateOf(id), undefined);
  });
});
