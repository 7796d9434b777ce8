import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Container } from '../../../src/gen/nri/pkg/api/v1alpha1/Container.js';
import type { ContainerAdjustment } from '../../../src/gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import { EVENTS } from '../../../src/nri/events.js';
import { noEngine } from '../../support/cridock-process.js';
import { decodeRequest, Refusal, TestPlugin, type TestPluginOptions } from '../../support/nri-plugin.js';
import { mountsOf } from '../../support/process-truth.js';
import { refusal, TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const MIB = 1024 * 1024;

describe('plugins of the Node Resource Interface', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let hasCompanion: boolean;
  const plugins: TestPlugin[] = [];
  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    hasCompanion = await node.hasCompanion();
  });
  afterEach(() => {
    for (const plugin of plugins.splice(0)) plugin.close();
  });
  after(() => node.close());

  async function registered(options: TestPluginOptions): Promise<TestPlugin> {
    const plugin = await TestPlugin.register(join(node.cridock.directory, 'nri.sock'), options);
    plugins.push(plugin);
    await until('it is synchronised', () => plugin.calls.includes('Synchronize'));
    return plugin;
  }

  const adjusting = (adjust: ContainerAdjustment): Promise<TestPlugin> =>
    registered({ base: randomUUID(), replies: { CreateContainer: () => ({ adjust }) } });

  const idsOf = (plugin: TestPlugin, event: string): string[] =>
    (plugin.requests.get(event) ?? []).map((request) => containerIn(request).id ?? '');

  it('are told of the life of a pod and a container in order, and of an end once', async () => {
    const told: { event: string; request: Buffer }[] = [];
    const noting = (event: string) => (request: Buffer) => {
      told.push({ event, request });
      return {};
    };
    const plugin = await registered({
      replies: Object.fromEntries(Object.keys(EVENTS).map((event) => [event, noting(event)])),
    });
    const other = await node.pod();
    const { id } = await node.start(other);
    await node.runtime.UpdateContainerResources({ container_id: id, linux: { cpu_shares: 512 } });
    await node.runtime.UpdatePodSandboxResources({ pod_sandbox_id: other.id, resources: { cpu_shares: 2 } });
    await node.runtime.StopPodSandbox({ pod_sandbox_id: other.id });
    await node.runtime.StopPodSandbox({ pod_sandbox_id: other.id });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: other.id });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: other.id });
    // The Engine may have other pods, which end when they do.
    const ofPod = told.filter(({ request }) => request.includes(other.id)).map(({ event }) => event);
    assert.deepEqual(ofPod, [
      'RunPodSandbox',
      'CreateContainer',
      'ValidateContainerAdjustment',
      'PostCreateContainer',
      'StartContainer',
      'PostStartContainer',
      'UpdateContainer',
      'PostUpdateContainer',
      'UpdatePodSandbox',
      'PostUpdatePodSandbox',
      'StopContainer',
      'StopPodSandbox',
      'RemoveContainer',
      'RemovePodSandbox',
    ]);
    assert.deepEqual(idsOf(plugin, 'CreateContainer'), [id]);
  });

  it('are told what a container is', async () => {
    const plugin = await registered({});
    const resources = { cpu_shares: 512, memory_limit_in_bytes: 64 * MIB };
    await node.create(pod, { envs: [{ key: 'A', value: Buffer.from('x') }], resources, labels: { l: '1' } });
    const told = containerIn(plugin.requests.get('CreateContainer')?.[0] ?? Buffer.alloc(0));
    assert.ok(told.env?.includes('A=x') && told.args?.[0] === 'sh' && told.labels?.['l'] === '1');
    assert.equal(told.linux?.resources?.cpu?.shares?.value?.toString(), '512');
    assert.equal(told.linux.resources.memory?.limit?.value?.toString(), String(64 * MIB));
    assert.ok(told.mounts?.some(({ destination }) => destination === '/proc'));
    assert.ok(told.linux.namespaces?.some(({ type, path }) => type === 'network' && path !== ''));
  });

  it('change limits of new containers, and of those that are there', async () => {
    const limits = {
      cpu: { shares: { value: 300 } },
      memory: { limit: { value: 80 * MIB } },
      pids: { limit: 50 },
    };
    const plugin = await adjusting({ linux: { resources: limits } });
    const { id } = await node.start(pod);
    const { HostConfig: host } = await node.engine.inspectContainer(id);
    assert.deepEqual([host.CpuShares, host.Memory, host.PidsLimit], [300, 80 * MIB, 50]);
    const update = (container_id: string) => ({
      update: [{ container_id, linux: { resources: { cpu: { shares: { value: 400 } } } } }],
    });
    await plugin.call('UpdateContainers', 'UpdateContainersRequest', update(id));
    assert.equal((await node.engine.inspectContainer(id)).HostConfig.CpuShares, 400);
    const unknown = await plugin.call('UpdateContainers', 'UpdateContainersRequest', update('0'.repeat(64)));
    assert.equal(unknown.length, 0);
    const evict = [{ container_id: id, reason: 'test' }];
    await plugin.call('UpdateContainers', 'UpdateContainersRequest', { evict });
    await node.ended(id);
  });

  it('a refusal leaves nothing, and the call may be repeated', async () => {
    let isRefusing = true;
    const plugin = await registered({
      replies: {
        CreateContainer: () => {
          if (isRefusing) throw new Refusal('not this one');
          return {};
        },
      },
    });
    const changes = { metadata: { name: 'repeated', attempt: 0 } };
    const { text } = await refusal(node.create(pod, changes));
    assert.match(text, /NRI plugin 10-test: CreateContainer: not this one/);
    const [id = ''] = idsOf(plugin, 'CreateContainer');
    await assert.rejects(node.engine.inspectContainer(id), /No such container/);
    assert.deepEqual(plugin.calls.slice(-2), ['StopContainer', 'RemoveContainer']);
    isRefusing = false;
    await node.create(pod, changes);
  });

  it('nobody sees a container while they are asked, and judges have the last word', async () => {
    let ask: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (ask = resolve));
    let answer: () => void = () => undefined;
    const answered = new Promise<object>((resolve) => (answer = () => resolve({})));
    const plugin = await registered({
      replies: {
        CreateContainer: () => {
          ask();
          return answered;
        },
        ValidateContainerAdjustment: () => ({ reject: true, reason: 'a rule' }),
      },
    });
    const refused = refusal(node.create(pod));
    await asked;
    const [id = ''] = idsOf(plugin, 'CreateContainer');
    const { containers } = await node.runtime.ListContainers({});
    assert.ok(!containers.some((container) => container.id === id));
    assert.equal((await refusal(node.runtime.ContainerStatus({ container_id: id }))).code, 'NOT_FOUND');
    answer();
    const { code, text } = await refused;
    assert.equal(code, 'FAILED_PRECONDITION');
    assert.match(text, /NRI plugin 10-test rejects the container: a rule/);
  });

  it('what Docker cannot say is refused without the companion', async (t) => {
    if (hasCompanion) {
      t.skip('the Engine has the companion');
      return;
    }
    await adjusting({ env: [{ key: 'A', value: 'x' }] });
    const { code, text } = await refusal(node.create(pod));
    assert.equal(code, 'UNIMPLEMENTED');
    assert.match(text, /NRI plugin adjusts env: this needs the companion runtime/);
  });

  it('what Docker cannot say is written by the companion, also after a restart', async (t) => {
    if (!hasCompanion) {
      t.skip('CRIDOCK_TEST_COMPANION=1 gives the Engine the companion');
      return;
    }
    const folder = join(node.cridock.directory, 'mounted');
    mkdirSync(folder);
    const hook = join(node.cridock.directory, 'hook');
    writeFileSync(hook, `#!/bin/sh\ncat >${folder}/state\n`, { mode: 0o755 });
    await adjusting({
      annotations: { 'io.test/a': 'x' },
      env: [{ key: 'ADDED', value: 'yes' }, { key: '-GONE' }],
      mounts: [{ destination: '/m', source: folder, type: 'bind', options: ['bind', 'ro'] }],
      hooks: { create_runtime: [{ path: hook }] },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1234, hard: 2345 }],
      linux: {
        devices: [{ path: '/dev/own-null', type: 'c', major: 1, minor: 3, file_mode: { value: 0o666 } }],
        io_priority: { class: 'IOPRIO_CLASS_IDLE' },
        scheduler: { policy: 'SCHED_BATCH' },
        oom_score_adj: { value: 777 },
      },
    });
    const id = await node.create(pod, { envs: [{ key: 'GONE', value: Buffer.from('1') }] });
    for (const plugin of plugins.splice(0)) plugin.close();
    await node.cridock.restart();
    await node.runtime.StartContainer({ container_id: id });
    const { Pid: pid } = (await node.engine.inspectContainer(id)).State;
    const environment = (): string[] => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    // A moment after the start it still is the runtime's.
    await until('its environment', () => environment().includes('ADDED=yes'));
    assert.ok(!environment().includes('GONE=1'));
    assert.ok(mountsOf(pid).get('/m')?.options.includes('ro'));
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max open files\s+1234\s+2345/);
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '777');
    assert.match(readFileSync(`/proc/${pid}/root/dev/own-null`, 'utf8'), /^$/);
    const state = JSON.parse(readFileSync(join(folder, 'state'), 'utf8')) as { annotations: object };
    assert.ok('io.test/a' in state.annotations);
  });

  it('plugins of the folder are started with their configuration, and end with cridock', async () => {
    const folder = join(node.cridock.directory, 'nri-plugins');
    mkdirSync(folder, { recursive: true });
    const told = join(node.cridock.directory, 'plugin-told');
    const script = `#!/bin/sh\necho "$NRI_PLUGIN_NAME $NRI_PLUGIN_IDX $NRI_PLUGIN_SOCKET" >${told}\nexec sleep 600 <&3\n`;
    writeFileSync(join(folder, '42-silent'), script, { mode: 0o755 });
    await node.cridock.restart();
    await until('it is started', () => readFileSync(told, { encoding: 'utf8', flag: 'a+' }) !== '');
    assert.equal(readFileSync(told, 'utf8'), 'silent 42 3\n');
    // It never registers: what is made waits for that no longer than its limit.
    await node.create(pod);
    assert.match(node.cridock.log(), /an NRI plugin could not register.*silent/);
  });
});

function containerIn(request: Buffer): Container {
  return decodeRequest('ContainerRequest', request)['container'] as Container;
}
