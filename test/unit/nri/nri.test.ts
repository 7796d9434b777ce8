import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { pluginsReady } from '../../../src/cri/runtime/plugins.js';
import { Nri, type NriHost } from '../../../src/nri/nri.js';
import type { NodeState } from '../../../src/nri/synchronize.js';
import { nriOptions } from '../../support/nri-runtime.js';
import { protocol, Refusal, TestPlugin, type TestPluginOptions } from '../../support/nri-plugin.js';
import { until } from '../../support/until.js';

const NEVER = new Promise<object>(() => undefined);

describe('NRI', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cridock-nri-'));
  const path = join(directory, 'nri.sock');
  let nri: Nri;
  let server: Server;
  let state: NodeState;
  let updates: unknown[];
  let codes: string[];
  /** Those that wait for what does not come have limits of their own. */
  let make: (limits: { registrationTimeoutMs?: number; requestTimeoutMs?: number }) => void;
  const plugins: TestPlugin[] = [];

  before(async () => {
    server = createServer((socket) => void nri.connect(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    state = { pods: [{ id: 'p', pid: 1 }], containers: [{ id: 'c', state: 'CONTAINER_RUNNING' }] };
    updates = [];
    codes = [];
    const host: NriHost = {
      ready: Promise.resolve(),
      state: () => Promise.resolve(state),
      update: (asked) => {
        updates.push(...asked);
        return Promise.resolve([]);
      },
      evict: () => Promise.resolve(),
    };
    make = (limits) => {
      const options = {
        ...nriOptions(10_000),
        ...limits,
        onCall: (_plugin: string, _event: string, code: string) => codes.push(code),
      };
      nri = new Nri(options, () => host);
    };
    make({});
  });
  afterEach(async () => {
    for (const plugin of plugins.splice(0)) plugin.close();
    await nri.stop();
  });

  async function registered(options: TestPluginOptions = {}): Promise<TestPlugin> {
    const count = nri.plugins.all.length;
    const plugin = await TestPlugin.register(path, options);
    plugins.push(plugin);
    await until('it is told of events', () => nri.plugins.all.length === count + 1);
    return plugin;
  }

  const tell = (): Promise<void> => nri.plugins.tell('RunPodSandbox', () => ({ pod: { id: 'p' } }));

  it('registers, configures and synchronises a plugin, and tells it of the events that it wants', async () => {
    const plugin = await registered({ events: ['RunPodSandbox'] });
    assert.deepEqual(plugin.calls, ['Configure', 'Synchronize']);
    assert.ok(!nri.isIdle);
    await tell();
    await nri.plugins.tell('StopPodSandbox', () => ({ pod: { id: 'p' } }));
    assert.deepEqual(plugin.calls.slice(2), ['RunPodSandbox']);
  });

  it('tells plugins in the order of their indices', async () => {
    const order: string[] = [];
    for (const index of ['20', '00', '10']) {
      const note = (): object => {
        order.push(index);
        return {};
      };
      await registered({ index, replies: { RunPodSandbox: note } });
    }
    await tell();
    assert.deepEqual(order, ['00', '10', '20']);
  });

  it('tells of more than fits into a message in parts', async () => {
    const labels = { text: 'x'.repeat(100_000) };
    state = {
      pods: [{ id: 'p' }],
      containers: Array.from({ length: 100 }, (_, index) => ({ id: `c${index}`, labels })),
    };
    const replies = {
      Synchronize: (request: Buffer): object => ({ more: request.at(-1) === 1 && request.at(-2) === 24 }),
    };
    const plugin = await registered({ replies });
    assert.ok((plugin.requests.get('Synchronize') ?? []).length > 2);
  });

  it('an error of a plugin fails the event, and those after it are not told', async () => {
    const refuse = (): object => {
      throw new Refusal('not now');
    };
    await registered({ index: '01', replies: { RunPodSandbox: refuse } });
    const other = await registered({ index: '02' });
    await assert.rejects(tell(), /NRI plugin 01-test: RunPodSandbox: not now/);
    assert.ok(!other.calls.includes('RunPodSandbox'));
    assert.equal(nri.plugins.all.length, 2);
  });

  it('a plugin that does not answer loses its connection, and the event goes on', async () => {
    make({ requestTimeoutMs: 1_000 });
    await registered({ index: '01', replies: { RunPodSandbox: () => NEVER } });
    const other = await registered({ index: '02' });
    await tell();
    assert.ok(other.calls.includes('RunPodSandbox'));
    await until('it is gone', () => nri.plugins.all.length === 1);
    assert.match(nri.plugins.lost[0]?.reason ?? '', /RunPodSandbox: no answer for 1s/);
    const [condition] = pluginsReady({ nri });
    assert.deepEqual([condition?.status, condition?.reason], [false, 'PluginFailed']);
    assert.match(condition?.message ?? '', /NRI plugin 01-test: it is gone: RunPodSandbox: no answer/);
    assert.ok(codes.includes('LATE'));
  });

  it('its policy may keep it, and fail the event', async () => {
    make({ requestTimeoutMs: 1_000 });
    await registered({
      policy: { fail_request: true, keep_connected: true },
      replies: { RunPodSandbox: () => NEVER },
    });
    await assert.rejects(tell(), /no answer/);
    assert.equal(nri.plugins.all.length, 1);
    assert.equal(nri.plugins.all[0]?.failures.count, 1);
  });

  it('garbage, and a connection that ends, cost the plugin that did it', async () => {
    const garbage: TestPlugin = await registered({
      events: ['RunPodSandbox'],
      replies: {
        RunPodSandbox: () => {
          garbage.writeRaw(Buffer.alloc(64, 0xff));
          return NEVER;
        },
      },
    });
    const dying: TestPlugin = await registered({
      replies: {
        RunPodSandbox: () => {
          dying.close();
          return NEVER;
        },
      },
    });
    const other = await registered({ index: '99' });
    await tell();
    assert.ok(other.calls.includes('RunPodSandbox'));
    await until('it is gone', () => nri.plugins.all.length === 1);
    assert.deepEqual(
      nri.plugins.lost.map(({ reason }) => /broke the protocol|ended|closed/.test(reason)),
      [true, true],
    );
  });

  it('older plugins are told by StateChange', async () => {
    const old = (): object => {
      throw new Refusal('no such method', 12);
    };
    const plugin = await registered({ replies: { RunPodSandbox: old } });
    await tell();
    assert.equal(plugin.calls.at(-1), 'StateChange');
  });

  it('a plugin that registers badly, late or twice is not served', async () => {
    make({ registrationTimeoutMs: 1_000 });
    const bad = TestPlugin.register(path, { index: 'x' });
    await assert.rejects(bad, /not two digits/);
    const silent = new TestPlugin((await import('node:net')).connect(path));
    await until('its connection is closed', () => silent.isClosed);
    const plugin = await registered();
    await assert.rejects(plugin.register(), /is registered/);
    assert.equal(nri.plugins.all.length, 1);
  });

  it('serves UpdateContainers', async () => {
    const plugin = await registered();
    const reply = await plugin.call('UpdateContainers', 'UpdateContainersRequest', {
      update: [{ container_id: 'c', linux: { resources: { cpu: { cpus: '1' } } } }],
    });
    assert.deepEqual(Buffer.from(reply), protocol.encode('UpdateContainersResponse', {}));
    assert.equal(updates.length, 1);
    await assert.rejects(plugin.call('Nothing', 'Empty', {}), /no method/);
  });

  it('nothing is made while a plugin is synchronised, and it waits for what is being made', async () => {
    const { gate } = nri.plugins;
    await gate.enter();
    const plugin = await TestPlugin.register(path);
    plugins.push(plugin);
    let shut: Promise<void> | undefined;
    await until('the gate is shut', () => {
      shut = gate.enter();
      if (shut === undefined) gate.leave();
      return shut !== undefined;
    });
    const entering = shut?.then(() => plugin.calls.includes('Synchronize'));
    assert.ok(!plugin.calls.includes('Synchronize'));
    gate.leave();
    assert.equal(await entering, true);
    gate.leave();
  });

  it('one that goes by itself has not failed', async () => {
    assert.deepEqual(pluginsReady({ nri }), []);
    const plugin = await registered();
    assert.equal(pluginsReady({ nri })[0]?.status, true);
    plugin.close();
    await until('it is gone', () => nri.isIdle);
    assert.deepEqual(pluginsReady({ nri }), []);
  });

  it('tells of an end once, and only of what plugins know', async () => {
    await registered();
    assert.ok(nri.told.stops('c') && !nri.told.stops('c'));
    assert.ok(nri.told.goes('c') && !nri.told.goes('c'));
    assert.ok(!nri.told.stops('unknown') && !nri.told.goes('unknown'));
  });
});
