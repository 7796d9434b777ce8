import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { EventName } from '../../../src/nri/events.js';
import type { Container } from '../../../src/gen/nri/pkg/api/v1alpha1/Container.js';
import { answers } from '../../../src/server/unix-socket.js';
import { noEngine } from '../../support/cridock-process.js';
import { decodeRequest, TestPlugin, type TestPluginOptions } from '../../support/nri-plugin.js';
import { TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

const NEVER = new Promise<object>(() => undefined);

/** What is asked when cridock is killed, and of which plugins. */
interface Moment {
  readonly what: string;
  readonly plugins: readonly TestPluginOptions[];
  /** The one whose call is never answered. */
  readonly event: EventName;
}

/** What a caller asks for, and asks for again. */
const asked = (name: string) => ({
  metadata: { name, attempt: 0 },
  log_path: `${name}.log`,
  labels: { 'io.kubernetes.container.name': name },
});

/** It adjusts what Docker can be told of. */
const adjusting: TestPluginOptions = {
  index: '10',
  replies: {
    CreateContainer: () => ({ adjust: { linux: { resources: { cpu: { shares: { value: 300 } } } } } }),
  },
};
const stalling = (event: EventName, events?: EventName[]): TestPluginOptions => {
  return { index: '20', replies: { [event]: () => NEVER }, ...(events && { events }) };
};
const HALF_MADE: readonly Moment[] = [
  { what: 'the only plugin', event: 'CreateContainer', plugins: [stalling('CreateContainer')] },
  {
    what: 'the second plugin, after the first has adjusted it',
    event: 'CreateContainer',
    plugins: [adjusting, stalling('CreateContainer')],
  },
  {
    what: 'one that judges what others adjust',
    event: 'ValidateContainerAdjustment',
    plugins: [adjusting, stalling('ValidateContainerAdjustment')],
  },
  {
    what: 'one that only judges',
    event: 'ValidateContainerAdjustment',
    plugins: [stalling('ValidateContainerAdjustment', ['ValidateContainerAdjustment'])],
  },
];

describe('cridock is killed while it asks NRI plugins about a new container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  /** A container that is there all the time. */
  let other: string;
  const plugins: TestPlugin[] = [];
  before(async () => {
    node = await TestNode.start(['--nri-plugin-request-timeout=10m']);
    pod = await node.pod();
    other = await node.create(pod);
  });
  afterEach(() => {
    for (const plugin of plugins.splice(0)) plugin.close();
  });
  after(() => node.close());

  const socket = (): string => join(node.cridock.directory, 'nri.sock');

  async function registered(options: TestPluginOptions): Promise<TestPlugin> {
    const plugin = await TestPlugin.register(socket(), options);
    plugins.push(plugin);
    await until('it is synchronised', () => plugin.calls.includes('Synchronize'));
    return plugin;
  }

  /** Has cridock killed while plugins are asked; answers the container's id, and the first plugin that has come since. */
  async function killed(
    { plugins: options, event }: Moment,
    name: string,
  ): Promise<{ id: string; later: TestPlugin }> {
    let last: TestPlugin | undefined;
    for (const one of options) last = await registered(one);
    const creation = node.create(pod, asked(name)).catch(() => undefined);
    await until('it is asked', () => last?.requests.has(event) === true);
    await node.cridock.kill9();
    await creation;
    const { id = '' } = containerIn(last?.requests.get(event)?.[0]);
    for (const plugin of plugins.splice(0)) plugin.close();
    const restarted = node.cridock.restart();
    await until('plugins can connect', () => answers(socket()));
    const later = await registered({ index: '30' });
    await restarted;
    return { id, later };
  }

  const synchronised = (plugin: TestPlugin): string[] => {
    const requests = (plugin.requests.get('Synchronize') ?? []).map((request) =>
      decodeRequest('SynchronizeRequest', request),
    );
    return requests.flatMap(({ containers }) => (containers as Container[]).map(({ id = '' }) => id));
  };

  for (const [number, moment] of HALF_MADE.entries()) {
    it(`${moment.what}: nothing of the container stays, and nobody sees it`, async () => {
      const name = `half-${number}`;
      const { id, later } = await killed(moment, name);
      assert.match(id, /^[0-9a-f]{64}$/);
      const told = synchronised(later);
      assert.ok(
        told.includes(other) && !told.includes(id),
        'Synchronize tells of what is there, and no more',
      );
      const { containers } = await node.runtime.ListContainers({});
      assert.ok(!containers.some((container) => container.id === id));
      await until('it is removed', () => node.engine.inspectContainer(id).then(no, isGone));
      // Nobody was told that it ends, as nobody who is there was told that it began.
      assert.ok(!later.calls.includes('RemoveContainer'));
      const again = await node.create(pod, asked(name));
      assert.notEqual(again, id);
      assert.equal(containerIn(later.requests.get('CreateContainer')?.[0]).id, again);
      const { containers: now } = await node.runtime.ListContainers({ filter: { id: again } });
      assert.equal(now.length, 1);
    });
  }

  it('what they have all been asked about stays, as they want it', async () => {
    const event = 'PostCreateContainer';
    const moment = { what: '', event, plugins: [adjusting, stalling(event)] } as const;
    const { id, later } = await killed(moment, 'whole');
    assert.ok(synchronised(later).includes(id));
    assert.equal(await node.create(pod, asked('whole')), id);
    assert.ok(!later.calls.includes('CreateContainer'));
    await node.runtime.StartContainer({ container_id: id });
    assert.equal((await node.engine.inspectContainer(id)).HostConfig.CpuShares, 300);
  });
});

function containerIn(request: Buffer | undefined): Container {
  if (request === undefined) throw new Error('it was not asked');
  return decodeRequest('ContainerRequest', request)['container'] as Container;
}

const no = (): boolean => false;
const isGone = (error: unknown): boolean => /No such container/.test(String(error));
