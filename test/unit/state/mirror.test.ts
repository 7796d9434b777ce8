import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Mirror, MirrorOptions } from '../../../src/state/mirror.js';
import { readRecord } from '../../../src/state/read-record.js';
import type { ObjectRecord } from '../../../src/state/records.js';
import { Code, hasCode } from '../../../src/util/cri-error.js';
import { FakeEngine } from '../../support/fake-engine.js';
import { createSandbox, mirrorOf, recordSources } from '../../support/mirror-parts.js';
import { until } from '../../support/until.js';

describe('Mirror', () => {
  let engine: FakeEngine;
  let mirror: Mirror;
  let corrected: number[];

  beforeEach(() => {
    engine = new FakeEngine();
    engine.addImage('pause:1');
    corrected = [];
    begin();
  });
  afterEach(() => mirror.stop());

  /** Replaces the mirror by one that counts what a full reading had to correct. */
  function begin(changed: Partial<MirrorOptions> = {}): void {
    mirror = mirrorOf(engine, changed);
    mirror.subscribe({ onResync: (_reason, count) => corrected.push(count) });
    mirror.start();
  }

  async function statusOf(id: string): Promise<string | undefined> {
    return (await mirror.current()).sandboxes.get(id)?.status;
  }

  it('finds changes that no event has told', async () => {
    await mirror.stop();
    begin({ compareEveryMs: 50 });
    const id = await createSandbox(engine, 'a');
    await engine.startContainer(id);
    await until('the start', async () => (await statusOf(id)) === 'running');
    engine.silenceEvents();
    await engine.stopContainer(id, 0);
    await until('the end', async () => (await statusOf(id)) === 'exited');
  });

  it('reads what is there when it connects, and leaves out what is not ours', async () => {
    await engine.createContainer('foreign', { Image: 'pause:1', HostConfig: {} });
    const id = await createSandbox(engine, 'a');
    await mirror.stop();
    begin();
    const picture = await mirror.current();
    assert.deepEqual(picture.ids(), [id]);
  });

  it('follows what others do to containers', async () => {
    await mirror.current();
    const id = await createSandbox(engine, 'a');
    await until('created', async () => (await statusOf(id)) === 'created');
    await engine.startContainer(id);
    await until('running', async () => (await statusOf(id)) === 'running');
    engine.exit(id, 137);
    await until('exited', async () => (await statusOf(id)) === 'exited');
    await engine.removeContainer(id);
    await until('gone', async () => (await statusOf(id)) === undefined);
  });

  it('lets a caller read what it has written', async () => {
    await mirror.current();
    const id = await createSandbox(engine, 'a');
    mirror.expect(id);
    assert.equal(await statusOf(id), 'created');
    await engine.startContainer(id);
    assert.equal((await mirror.reach(id, ({ status }) => status === 'running'))?.status, 'running');
    await engine.removeContainer(id);
    assert.equal(await mirror.refresh(id), undefined);
  });

  it('lets a caller wait for what it has made, where others would not: addresses that come late', async () => {
    await mirror.stop();
    let asked = 0;
    const addresses = (): Promise<string[]> =>
      (asked += 1) === 1 ? new Promise(() => undefined) : Promise.resolve(['10.0.0.1']);
    begin({ read: (inspect) => readRecord(inspect, { ...recordSources, addresses }) });
    await mirror.current();
    const id = await createSandbox(engine, 'a');
    await engine.startContainer(id);
    const isAttached = (record: ObjectRecord): boolean =>
      record.kind === 'sandbox' && record.ips !== undefined;
    const record = await mirror.reach(id, isAttached);
    assert.ok(record !== undefined && isAttached(record), record?.problem?.message);
  });

  it('reads an object once for the events of one change', async (t) => {
    const id = await createSandbox(engine, 'a');
    await mirror.current();
    await until('created', async () => (await statusOf(id)) === 'created');
    const inspects = t.mock.method(engine, 'inspectContainer').mock;
    await engine.startContainer(id);
    await engine.stopContainer(id, 0);
    await until('exited', async () => (await statusOf(id)) === 'exited');
    assert.equal(inspects.callCount(), 1);
  });

  it('serves nothing while the Engine is away, says why, and is right again afterwards', async () => {
    const id = await createSandbox(engine, 'a');
    await mirror.current();
    engine.down = true;
    await until('the loss', () => mirror.problem !== undefined);
    await assert.rejects(mirror.current(), (error) => hasCode(error, Code.UNAVAILABLE));
    assert.match(mirror.problem ?? '', /\w/);
    assert.ok(mirror.facts !== undefined, 'what was known of the Engine stays known');
    engine.down = false;
    await engine.startContainer(id); // unseen: no event stream
    assert.equal(await statusOf(id), 'running');
    assert.ok(corrected.length >= 2);
  });

  it('ends waits when it is stopped', async () => {
    await mirror.current();
    engine.down = true;
    await until('the loss', () => mirror.problem !== undefined);
    const waiting = assert.rejects(mirror.current());
    await mirror.stop();
    await waiting;
  });
});
