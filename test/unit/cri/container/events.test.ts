import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { containerLabels, sandboxLabels } from '../../../../src/convert/text/labels.js';
import { containerEvents } from '../../../../src/cri/container/events.js';
import { EventFeed } from '../../../../src/events/event-feed.js';
import { readHeldLimits } from '../../../../src/limits/node-limits.js';
import type { ContainerEventResponse__Output } from '../../../../src/gen/runtime/v1/ContainerEventResponse.js';
import { ContainerState } from '../../../../src/gen/runtime/v1/ContainerState.js';
import { JsonStore } from '../../../../src/state/json-store.js';
import type { Mirror } from '../../../../src/state/mirror.js';
import { forEachLimited } from '../../../../src/util/concurrency.js';
import { Code } from '../../../../src/util/cri-error.js';
import { silentLogger } from '../../../../src/util/log.js';
import type { CriStream } from '../../../support/cri-client.js';
import { serveCri } from '../../../support/cri-fixture.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { mirrorOf } from '../../../support/mirror-parts.js';
import { until } from '../../../support/until.js';

const CREATED = 0;
const STARTED = 1;
const STOPPED = 2;
const DELETED = 3;
/** Less than what may wait for a reader, more than what comes in one of its stalls. */
const MAX_BEHIND = 8_000;
const WHOLE_LIFE = [CREATED, STARTED, STOPPED, DELETED];

/** A node whose Engine is in memory: only there can ten thousand containers live and die in seconds. */
class Node {
  readonly engine = new FakeEngine();
  readonly mirror: Mirror;
  readonly events: EventFeed;
  /** Nothing is held back here, so nothing is ever written to it. */
  readonly heldLimits = new JsonStore({ dir: '/nonexistent', read: readHeldLimits, log: silentLogger });
  sandboxId = '';
  #made = 0;

  constructor(t: TestContext) {
    this.engine.addImage('busybox:latest');
    this.mirror = mirrorOf(this.engine, { requestTimeoutMs: 10_000 });
    this.events = new EventFeed(this.mirror, () => undefined);
    t.after(() => this.mirror.stop());
  }

  async start(): Promise<void> {
    this.mirror.start();
    await this.mirror.current();
    const labels = sandboxLabels({ labels: {}, annotations: {}, own: {} });
    const body = { Image: 'busybox:latest', Labels: labels, HostConfig: { IpcMode: 'shareable' } };
    this.sandboxId = await this.engine.createContainer('k8s_POD_pod_ns_uid_0', body);
    await this.engine.startContainer(this.sandboxId);
    await this.mirror.refresh(this.sandboxId);
  }

  /** As CreateContainer: it is in the picture before its id is told. */
  async create(): Promise<string> {
    const facts = { labels: {}, annotations: {}, own: {}, sandboxId: this.sandboxId, logPath: '' };
    this.#made += 1;
    const body = {
      Image: 'busybox:latest',
      Labels: containerLabels(facts),
      HostConfig: { NetworkMode: `container:${facts.sandboxId}` },
    };
    const id = await this.engine.createContainer(`k8s_c${this.#made}_pod_ns_uid_0`, body);
    await this.mirror.refresh(id);
    return id;
  }
}

async function follow(
  t: TestContext,
): Promise<{ node: Node; stream: CriStream<ContainerEventResponse__Output> }> {
  const node = new Node(t);
  await node.start();
  const { client } = await serveCri(t, {
    streams: { GetContainerEvents: (_request, ctx) => containerEvents(node, ctx) },
  });
  const stream = client.streams.GetContainerEvents({});
  t.after(() => stream.cancel());
  await stream.opened;
  return { node, stream };
}

/** Reads until each of the containers was told to be deleted; answers what came, by container. */
async function readLives(
  stream: CriStream<ContainerEventResponse__Output>,
  count: number,
  beforeEach: (read: number) => Promise<void> = () => Promise.resolve(),
): Promise<Map<string, number[]>> {
  const lives = new Map<string, number[]>();
  let deleted = 0;
  let read = 0;
  let lastNs = 0n;
  for await (const event of stream) {
    await beforeEach(read);
    read += 1;
    const type = event.container_event_type;
    lives.set(event.container_id, [...(lives.get(event.container_id) ?? []), type]);
    assert.ok(BigInt(event.created_at) > lastNs, 'times grow');
    lastNs = BigInt(event.created_at);
    assert.ok(event.pod_sandbox_status, 'the kubelet drops events without a pod');
    if (type === DELETED) deleted += 1;
    if (deleted === count) break;
  }
  return lives;
}

describe('GetContainerEvents', () => {
  it('tells every step of 10,000 lives once and in order, to a reader that stalls now and then', async (t) => {
    const count = 10_000;
    const { node, stream } = await follow(t);
    let readEvents = 0;
    const reading = readLives(stream, count, async (read) => {
      readEvents = read;
      if (read % 4_000 === 3_999) await delay(400);
    });
    let lived = 0;
    await forEachLimited(Array.from({ length: count }).keys(), 32, async (index) => {
      const id = await node.create();
      await node.engine.startContainer(id);
      if (index % 3 === 0)
        node.engine.exit(id, 0); // start and end fall into one reading
      else if (index % 3 === 1) await node.mirror.refresh(id);
      // The rest are removed while they run, some before any reading shows that they do.
      await node.engine.removeContainer(id);
      lived += 1;
      // No Engine is as fast as this one: that a reader falls far behind is another test's subject.
      const mayGoOn = (): boolean => lived * WHOLE_LIFE.length - readEvents < MAX_BEHIND;
      if (!mayGoOn()) await until('the reader has caught up', mayGoOn, 60_000);
    });
    const lives = await reading;
    assert.equal(lives.size, count);
    for (const life of lives.values()) assert.deepEqual(life, WHOLE_LIFE);
  });

  it('tells afterwards what happened while the Engine was away', async (t) => {
    const { node, stream } = await follow(t);
    const [first, second] = [await node.create(), await node.create()];
    await node.engine.startContainer(first);
    await node.mirror.refresh(first);
    node.engine.down = true;
    node.engine.exit(first, 1);
    await until('the loss is noticed', () => node.mirror.problem !== undefined);
    node.engine.down = false;
    await node.mirror.current();
    await node.engine.startContainer(second);
    await node.engine.removeContainer(second);
    await node.engine.removeContainer(first);
    const lives = await readLives(stream, 2);
    assert.deepEqual([lives.get(first), lives.get(second)], [WHOLE_LIFE, WHOLE_LIFE]);
  });

  it('brings the statuses of the pod and of all that is in it', async (t) => {
    const { node, stream } = await follow(t);
    const id = await node.create();
    const other = await node.create();
    await node.engine.startContainer(id);
    for await (const event of stream) {
      assert.equal(event.pod_sandbox_status?.id, node.sandboxId);
      if (event.container_event_type !== STARTED) continue;
      const states = new Map(event.containers_statuses.map((status) => [status.id, status.state]));
      assert.equal(states.get(id), ContainerState.CONTAINER_RUNNING);
      assert.equal(states.get(other), ContainerState.CONTAINER_CREATED);
      break;
    }
  });

  it('tells the last status of a sandbox that is gone', async (t) => {
    const { node, stream } = await follow(t);
    await node.engine.removeContainer(node.sandboxId);
    const told: number[] = [];
    for await (const event of stream) {
      assert.equal(event.container_id, node.sandboxId);
      assert.equal(event.pod_sandbox_status?.id, node.sandboxId);
      told.push(event.container_event_type);
      if (told.length === 2) break;
    }
    assert.deepEqual(told, [STOPPED, DELETED]);
  });

  it('tells nothing of what was there before', async (t) => {
    const node = new Node(t);
    await node.start();
    await node.create();
    const reader = node.events.subscribe();
    await node.mirror.refresh(node.sandboxId);
    assert.equal(reader.take(), undefined);
    reader.close();
    assert.equal(node.events.readers, 0);
  });

  it('gives up a reader that falls far behind, and says so', async (t) => {
    const node = new Node(t);
    await node.start();
    const reader = node.events.subscribe();
    const event = { id: 'c', transition: 'started', sandboxId: 's', sandbox: undefined } as const;
    while (node.events.readers > 0) reader.push(event);
    assert.throws(() => reader.take(), { code: Code.RESOURCE_EXHAUSTED });
    assert.equal(node.events.readers, 0);
  });
});
