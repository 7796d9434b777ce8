import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { CgroupDriver } from '../../../../src/gen/runtime/v1/CgroupDriver.js';
import { ContainerState } from '../../../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../../../src/gen/runtime/v1/PodSandboxState.js';
import { noEngine } from '../../../support/cridock-process.js';
import { mountsOf } from '../../../support/process-truth.js';
import { RUN_ON } from '../../../support/pods.js';
import { TestNode, type TestPod } from '../../../support/test-node.js';
import { until } from '../../../support/until.js';

const { CONTAINER_CREATED, CONTAINER_EXITED, CONTAINER_RUNNING } = ContainerState;
const { SANDBOX_READY, SANDBOX_NOTREADY } = PodSandboxState;

describe('what lists and statuses tell', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });
  after(async () => {
    await node.close();
  });

  it('Version: version, runtime_name, runtime_version, runtime_api_version', async () => {
    const reply = await node.runtime.Version({ version: 'v1' });
    assert.equal(reply.version, '0.1.0');
    assert.equal(reply.runtime_name, 'docker');
    assert.match(reply.runtime_version, /^\d+\.\d+\.\d+/);
    assert.equal(reply.runtime_api_version, 'v1');
  });

  it('Status: conditions with type, status, reason and message, handlers by name, info when verbose', async () => {
    const { status, runtime_handlers: handlers, info } = await node.runtime.Status({ verbose: true });
    assert.deepEqual(
      status?.conditions.map(({ type, status: isTrue, reason, message }) => [type, isTrue, reason, message]),
      [
        ['RuntimeReady', true, '', ''],
        ['NetworkReady', true, '', ''],
        ['ContainerLogsReady', true, '', ''],
        ['ObjectsReadable', true, '', ''],
      ],
    );
    assert.ok(handlers.some(({ name }) => name === ''));
    assert.ok(info['config']);
    assert.deepEqual((await node.runtime.Status({ verbose: false })).info, {});
  });

  it("RuntimeConfig: cgroup_driver is the Engine's", async () => {
    const { linux } = await node.runtime.RuntimeConfig({});
    const { CgroupDriver: driver } = await node.engine.info();
    assert.equal(linux?.cgroup_driver, driver === 'cgroupfs' ? CgroupDriver.CGROUPFS : CgroupDriver.SYSTEMD);
  });

  it('ContainerStatus over its life: state, created_at, started_at, finished_at, exit_code, reason, message', async () => {
    const id = await node.create(pod, { run: 'while [ ! -e /go ]; do sleep 0.05; done; exit 3' });
    const created = await node.status(id);
    assert.equal(created.state, CONTAINER_CREATED);
    assert.ok(BigInt(created.created_at) > 0n);
    assert.deepEqual([created.started_at, created.finished_at], ['0', '0']);
    await node.runtime.StartContainer({ container_id: id });
    const running = await node.status(id);
    assert.equal(running.state, CONTAINER_RUNNING);
    assert.ok(BigInt(running.started_at) > BigInt(created.created_at));
    assert.equal(running.finished_at, '0');
    const { State: state } = await node.engine.inspectContainer(id);
    await writeFile(`/proc/${state.Pid}/root/go`, '');
    const ended = await node.ended(id);
    assert.ok(BigInt(ended.finished_at) > BigInt(running.started_at));
    assert.deepEqual([ended.exit_code, ended.reason, ended.message], [3, 'Error', '']);
    assert.equal(ended.created_at, created.created_at);
  });

  it('ContainerStatus: reason OOMKilled when memory ran out', async () => {
    const resources = { memory_limit_in_bytes: 16 * 1024 * 1024 };
    const id = await node.create(pod, { run: 'tail -c 100m /dev/zero', resources });
    await node.runtime.StartContainer({ container_id: id });
    const { reason, exit_code: code } = await node.ended(id);
    assert.deepEqual([reason, code], ['OOMKilled', 137]);
  });

  it('ContainerStatus: reason OOMKilled also when only a child was killed, as with other runtimes', async () => {
    const resources = { memory_limit_in_bytes: 16 * 1024 * 1024 };
    const id = await node.create(pod, { run: 'tail -c 100m /dev/zero; sleep 0.5; exit 0', resources });
    await node.runtime.StartContainer({ container_id: id });
    const { reason, exit_code: code } = await node.ended(id);
    assert.deepEqual([reason, code], ['OOMKilled', 0]);
  });

  it('PodSandboxStatus and GetContainerEvents: the last attempt of a container comes first', async () => {
    const own = await node.pod();
    const stream = node.cridock.client.streams.GetContainerEvents({});
    await stream.opened;
    const attempts = 4;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const id = await node.create(own, { metadata: { name: 'again', attempt }, command: ['/no/such'] });
      await assert.rejects(node.runtime.StartContainer({ container_id: id }));
    }
    const newestFirst = Array.from({ length: attempts }, (_, index) => attempts - 1 - index);
    for (const verbose of [false, true]) {
      const request = { pod_sandbox_id: own.id, verbose };
      const { containers_statuses: statuses } = await node.runtime.PodSandboxStatus(request);
      assert.deepEqual(
        statuses.map(({ metadata }) => metadata?.attempt),
        newestFirst,
      );
    }
    for await (const event of stream) {
      const told = event.containers_statuses.map(({ metadata }) => metadata?.attempt ?? -1);
      if (event.pod_sandbox_status?.id !== own.id || told.length < attempts) continue;
      assert.deepEqual(told, newestFirst);
      break;
    }
    stream.cancel();
  });

  it('ContainerStatus: a command that cannot be started has ended, with the reason in message', async () => {
    const id = await node.create(pod, { command: ['/no/such/program'] });
    await assert.rejects(node.runtime.StartContainer({ container_id: id }));
    const status = await node.status(id);
    assert.equal(status.state, CONTAINER_EXITED);
    assert.match(status.message, /no\/such\/program/);
    assert.notEqual(status.exit_code, 0);
  });

  it('ContainerStatus: image, image_ref, image_id and info when verbose', async () => {
    const { id, pid } = await node.start(pod);
    const { status, info } = await node.runtime.ContainerStatus({ container_id: id, verbose: true });
    assert.equal(status?.image?.image, node.image);
    assert.ok(status.image_ref.length > 0 && status.image_id.startsWith('sha256:'));
    const details = JSON.parse(info['info'] ?? '') as { pid: number; sandboxID: string };
    assert.deepEqual([details.pid, details.sandboxID], [pid, pod.id]);
    assert.ok(mountsOf(details.pid).has('/'));
  });

  it('ListContainers: every filter, and the fields of Container', async () => {
    const labels = { mine: 'yes', other: 'no' };
    const id = await node.create(pod, { labels, metadata: { name: 'listed', attempt: 1 } });
    const ids = async (filter: object) =>
      (await node.runtime.ListContainers({ filter })).containers.map((container) => container.id);
    assert.deepEqual(await ids({ id }), [id]);
    assert.deepEqual(await ids({ id: id.slice(0, 12) }), [id]);
    assert.deepEqual(await ids({ label_selector: { mine: 'yes' } }), [id]);
    assert.deepEqual(await ids({ label_selector: { mine: 'no' } }), []);
    assert.deepEqual(await ids({ id, pod_sandbox_id: pod.id, state: { state: CONTAINER_CREATED } }), [id]);
    assert.deepEqual(await ids({ id, state: { state: CONTAINER_RUNNING } }), []);
    const [listed] = (await node.runtime.ListContainers({ filter: { id } })).containers;
    const status = await node.status(id);
    assert.ok(listed);
    assert.deepEqual(listed.metadata, { name: 'listed', attempt: 1 });
    assert.deepEqual(listed.labels, labels);
    assert.equal(listed.pod_sandbox_id, pod.id);
    for (const field of ['state', 'created_at', 'image_id'] as const) {
      assert.equal(listed[field], status[field], field);
    }
    // Kubelets before 1.30 compare it with Image.id.
    const { image } = await node.cridock.client.image.ImageStatus({ image: { image: node.image } });
    assert.equal(listed.image_ref, image?.id);
    assert.equal(listed.image?.image, status.image?.image);
  });

  it('PodSandboxStatus: id, state, created_at, network with ip, additional_ips, info, containers_statuses, timestamp', async () => {
    const own = await node.pod();
    const { id: containerId } = await node.start(own);
    const reply = await node.runtime.PodSandboxStatus({ pod_sandbox_id: own.id, verbose: true });
    const { status } = reply;
    assert.equal(status?.id, own.id);
    assert.equal(status.state, SANDBOX_READY);
    assert.ok(BigInt(status.created_at) > 0n && BigInt(reply.timestamp) > BigInt(status.created_at));
    assert.ok(status.network);
    assert.match(status.network.ip, /^10\./);
    assert.deepEqual(status.network.additional_ips, []);
    assert.equal((JSON.parse(reply.info['info'] ?? '') as { pid: number }).pid, own.pid);
    assert.deepEqual(
      reply.containers_statuses.map(({ id }) => id),
      [containerId],
    );
    const address = await node.output(own, 'ip -4 addr show eth0');
    assert.ok(address.includes(` ${status.network.ip}/`));
    await node.runtime.StopPodSandbox({ pod_sandbox_id: own.id });
    const stopped = await node.runtime.PodSandboxStatus({ pod_sandbox_id: own.id });
    assert.equal(stopped.status?.state, SANDBOX_NOTREADY);
  });

  it('ListPodSandbox: every filter, and the fields of PodSandbox', async () => {
    const labels = { which: 'this', x: 'y' };
    const own = await node.pod({ labels });
    const items = async (filter: object) => (await node.runtime.ListPodSandbox({ filter })).items;
    const ids = async (filter: object) => (await items(filter)).map((item) => item.id);
    assert.deepEqual(await ids({ id: own.id }), [own.id]);
    assert.deepEqual(await ids({ label_selector: { which: 'this' }, state: { state: SANDBOX_READY } }), [
      own.id,
    ]);
    assert.deepEqual(await ids({ id: own.id, state: { state: SANDBOX_NOTREADY } }), []);
    const [item] = await items({ id: own.id });
    const { status } = await node.runtime.PodSandboxStatus({ pod_sandbox_id: own.id });
    for (const field of [
      'metadata',
      'state',
      'created_at',
      'labels',
      'annotations',
      'runtime_handler',
    ] as const) {
      assert.deepEqual(item?.[field], status?.[field], field);
    }
  });

  it('StopContainer: timeout 0 kills at once, a longer one lets it end', async () => {
    const stubborn = await node.start(pod, { command: ['sleep', '3600'] });
    const startMs = Date.now();
    await node.runtime.StopContainer({ container_id: stubborn.id, timeout: 0 });
    assert.ok(Date.now() - startMs < 10_000);
    assert.equal((await node.status(stubborn.id)).exit_code, 137);
    const polite = await node.start(pod, { run: `touch /trapped; ${RUN_ON}` });
    await until('its trap', () => existsSync(`/proc/${polite.pid}/root/trapped`));
    await node.runtime.StopContainer({ container_id: polite.id, timeout: 30 });
    assert.equal((await node.status(polite.id)).exit_code, 0);
  });
});
