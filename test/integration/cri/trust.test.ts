import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ContainerInspect } from '../../../src/docker/types.js';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { noEngine, testDockerEndpoint } from '../../support/cridock-process.js';
import { dockerRequest } from '../../support/docker-request.js';
import { HOSTILE_OOM_SCORE, hostileLabels, labelInstruction } from '../../support/hostile-labels.js';
import { makeImage } from '../../support/images.js';
import { RUN_ON } from '../../support/pods.js';
import { cgroupValue } from '../../support/process-truth.js';
import { TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const HOSTILE_IMAGE = `cridock.test/hostile-${process.pid}:1`;
const MIB = 1024 * 1024;
const LABELS = { 'io.kubernetes.pod.name': 'web', 'io.kubernetes.container.name': 'app', app: 'web' };
const ANNOTATIONS = { 'io.kubernetes.container.hash': 'h' };

/** Image labels and what a user of Docker gives a container are input, never facts. */
describe('labels are not trusted', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let logPath: string;
  const byHand: string[] = [];

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    logPath = join(node.cridock.directory, 'stolen.log');
    const labels = hostileLabels(pod.id, logPath);
    await makeImage(SOCKET, HOSTILE_IMAGE, { ...labelInstruction(labels), CMD: '["sleep", "3600"]' }, {});
  });
  afterEach(async () => {
    for (const id of byHand.splice(0)) await call('DELETE', `/containers/${id}?force=1`, [204, 404]);
  });
  after(async () => {
    await node.close();
    await call('DELETE', `/images/${HOSTILE_IMAGE}?force=1`, [200]);
  });

  /** Somebody else's request to the Engine. */
  const call = async (method: string, path: string, expected: number[], body?: object): Promise<string> => {
    const answer = await dockerRequest(testDockerEndpoint, method, path, body);
    assert.ok(expected.includes(answer.status), `${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body;
  };
  const run = async (name: string, body: object): Promise<string> => {
    const made = await call('POST', `/containers/create?name=${name}`, [201], body);
    const { Id: id } = JSON.parse(made) as { Id: string };
    byHand.push(id);
    await call('POST', `/containers/${id}/start`, [204]);
    return id;
  };
  const isRunning = async (id: string): Promise<boolean> =>
    node.engine.inspectContainer(id).then(
      ({ State: state }) => state.Running,
      () => false,
    );
  const listed = async (): Promise<string[]> => {
    // Docker has told of what was made; a container that is made after it is in the list, too.
    const marker = await node.create(pod);
    const { containers } = await node.runtime.ListContainers({});
    await node.runtime.RemoveContainer({ container_id: marker });
    return containers.map(({ id }) => id).filter((id) => id !== marker);
  };
  const restarted = async (): Promise<void> => {
    await node.cridock.kill9();
    await node.cridock.restart();
  };

  it('an image with every label that cridock reads gives its container nothing', async () => {
    const resources = { memory_limit_in_bytes: 64 * MIB, oom_score_adj: '500' };
    const changes = { image: { image: HOSTILE_IMAGE }, labels: LABELS, annotations: ANNOTATIONS, resources };
    const plain = await node.start(pod, { resources });
    const { id, pid } = await node.start(pod, changes);
    const check = async (): Promise<void> => {
      const { containers } = await node.runtime.ListContainers({ filter: { id } });
      assert.deepEqual(containers[0]?.labels, LABELS);
      assert.deepEqual(containers[0].annotations, ANNOTATIONS);
      assert.equal(containers[0].pod_sandbox_id, pod.id);
      const status = await node.status(id);
      assert.deepEqual(status.labels, LABELS);
      assert.deepEqual(status.annotations, ANNOTATIONS);
      assert.deepEqual(status.mounts, []);
      assert.equal(status.image?.image, HOSTILE_IMAGE);
      assert.equal(status.resources?.linux?.memory_limit_in_bytes, String(64 * MIB));
      assert.equal(cgroupValue(pid, 'devices.list'), cgroupValue(plain.pid, 'devices.list'));
      assert.equal(cgroupValue(pid, 'memory.limit_in_bytes'), String(64 * MIB));
      const score = readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim();
      assert.notEqual(score, String(HOSTILE_OOM_SCORE));
      assert.ok(!existsSync(logPath));
    };
    await check();
    await restarted();
    await check();
    await node.runtime.StopContainer({ container_id: id, timeout: '0' });
    await node.runtime.RemoveContainer({ container_id: id });
  });

  it('containers of it that others run are theirs, and stay', async () => {
    const before = await listed();
    const ids = [
      await run(`hostile-${process.pid}`, { Image: HOSTILE_IMAGE }),
      await run(`k8s_stolen_pod_ns_uid-${process.pid}_0`, { Image: HOSTILE_IMAGE }),
      await run(`k8s_POD_pod_ns_uid-${process.pid}_0`, { Image: HOSTILE_IMAGE }),
    ];
    assert.deepEqual(await listed(), before);
    await restarted();
    assert.deepEqual(await listed(), before);
    const own = await node.pod();
    await node.start(own);
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: own.id });
    for (const id of ids) assert.ok(await isRunning(id), id);
  });

  it("a committed container of a pod that somebody runs is nobody's, and outlives the pod", async () => {
    const own = await node.pod();
    const { id } = await node.start(own);
    const image = `cridock.test/committed-${process.pid}`;
    await call('POST', `/commit?container=${id}&repo=${image}&tag=run`, [201]);
    const copies = [
      await run(`committed-${process.pid}`, { Image: `${image}:run`, Entrypoint: ['sleep', '3600'] }),
      await run(`k8s_app_web_ns_uid-${process.pid}_7`, {
        Image: `${image}:run`,
        Entrypoint: ['sleep', '3600'],
      }),
    ];
    await listed();
    const { containers } = await node.runtime.ListContainers({ filter: { pod_sandbox_id: own.id } });
    assert.deepEqual(
      containers.map((container) => container.id),
      [id],
    );
    await node.runtime.StopPodSandbox({ pod_sandbox_id: own.id });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: own.id });
    await restarted();
    assert.ok(!(await listed()).some((one) => copies.includes(one)));
    for (const copy of copies) assert.ok(await isRunning(copy), copy);
    for (const copy of byHand.splice(0)) await call('DELETE', `/containers/${copy}?force=1`, [204]);
    await call('DELETE', `/images/${image}:run?force=1`, [200]);
  });

  it("a container that is made like the pod's, label for label, is no member while that one has its name", async () => {
    const { id } = await node.start(pod);
    const { Config, HostConfig } = await node.engine.inspectContainer(id);
    const copy = await run(`duplicate-${process.pid}`, { ...Config, Hostname: '', HostConfig });
    const now = await listed();
    assert.ok(now.includes(id) && !now.includes(copy));
  });

  it('a pod whose containers were renamed is known, also after a restart', async () => {
    const own = await node.pod();
    const { id } = await node.start(own);
    for (const one of [own.id, id]) {
      await call('POST', `/containers/${one}/rename?name=renamed-${one.slice(0, 12)}`, [204]);
    }
    await restarted();
    assert.equal((await node.status(id)).metadata?.name.slice(0, 2), 'c-');
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: own.id });
    assert.ok(!(await isRunning(id)));
  });

  it('without the key, as after an upgrade from a version that had none, all pods go on as they were', async () => {
    const own = await node.pod({ linux: { security_context: { privileged: true } } });
    const resources = { memory_limit_in_bytes: 5 * MIB };
    const running = await node.start(own, { labels: LABELS, annotations: ANNOTATIONS });
    const created = await node.create(own, { resources });
    const before = await Promise.all([running.id, created].map(async (id) => node.status(id)));
    await node.cridock.kill9();
    renameSync(
      join(node.cridock.directory, 'root/seal-key'),
      join(node.cridock.directory, 'root/.gone-seal-key'),
    );
    await node.cridock.restart();
    for (const [index, id] of [running.id, created].entries()) {
      await until('the limits to be kept', async () => {
        const now = await node.status(id);
        return JSON.stringify(now.resources) === JSON.stringify(before[index]?.resources);
      });
      assert.deepEqual(await node.status(id), before[index]);
    }
    await node.runtime.StartContainer({ container_id: created });
    const { State: state } = (await node.engine.inspectContainer(created)) satisfies ContainerInspect;
    assert.equal(cgroupValue(state.Pid, 'memory.limit_in_bytes'), String(5 * MIB));
    if (node.noAllCapabilities === undefined) {
      await node.start(own, { security: { privileged: true }, run: RUN_ON });
    }
    await node.runtime.StopPodSandbox({ pod_sandbox_id: own.id });
    assert.equal((await node.status(running.id)).state, ContainerState.CONTAINER_EXITED);
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: own.id });
    assert.ok(!(await isRunning(running.id)));
  });
});
