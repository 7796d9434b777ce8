import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { CallOptions } from '../../../../src/docker/engine.js';
import type { ContainerInspect } from '../../../../src/docker/types.js';
import { EventLedger } from '../../../../src/state/event-ledger.js';
import { KillCauses } from '../../../../src/state/mirror/kill-causes.js';
import { ObjectReader, type ObjectReaderOptions } from '../../../../src/state/mirror/object-reader.js';
import { Picture } from '../../../../src/state/picture.js';
import type { Change } from '../../../../src/state/transitions.js';
import { Code, CriError, hasCode } from '../../../../src/util/cri-error.js';
import { deferred, type Deferred } from '../../../../src/util/deferred.js';
import { silentLogger } from '../../../../src/util/log.js';
import { unlessAborted } from '../../../../src/util/unless-aborted.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { until } from '../../../support/until.js';
import { readRecord } from '../../../../src/state/read-record.js';
import { createSandbox, readEvery, recordSources } from '../../../support/mirror-parts.js';

const FAILURE = new CriError(Code.UNKNOWN, 'lstat /var/lib/docker/overlay2/x: no such file or directory');

/** An Engine some of whose inspects fail, or hang until they are let go. */
class TroubledEngine extends FakeEngine {
  readonly failing = new Set<string>();
  readonly hanging = new Map<string, Deferred>();

  override async inspectContainer(id: string, options: CallOptions = {}): Promise<ContainerInspect> {
    if (this.failing.has(id)) throw FAILURE;
    await unlessAborted(this.hanging.get(id)?.promise ?? Promise.resolve(), options.signal);
    return super.inspectContainer(id, options);
  }
}

describe('ObjectReader', () => {
  let engine: TroubledEngine;
  let picture: Picture;
  let changes: Change[];
  let losses: unknown[];
  let stopping: AbortController;
  let reader: ObjectReader;

  beforeEach(() => {
    engine = new TroubledEngine();
    picture = new Picture();
    changes = [];
    losses = [];
    stopping = new AbortController();
    reader = begin();
  });
  afterEach(() => {
    stopping.abort();
    for (const inspect of engine.hanging.values()) inspect.resolve();
  });

  function begin(changed: Partial<ObjectReaderOptions> = {}): ObjectReader {
    return new ObjectReader({
      engine,
      log: silentLogger,
      picture,
      ledger: new EventLedger(),
      killCauses: new KillCauses(stopping.signal, () => Promise.resolve(false)),
      areEventsLive: () => true,
      read: readEvery,
      beforeTold: () => Promise.resolve(),
      onChange: (change) => void changes.push(change),
      onEngineLost: (error) => void losses.push(error),
      stopping: stopping.signal,
      ...changed,
    });
  }

  it('makes a record anew without asking the Engine, unless it is to be read as well', async () => {
    let addresses = ['10.0.0.1'];
    reader = begin({
      read: (inspect) =>
        readRecord(inspect, { ...recordSources, addresses: () => Promise.resolve(addresses) }),
    });
    const id = await createSandbox(engine, 'a');
    await engine.startContainer(id);
    await reader.whole(id);
    addresses = ['10.0.0.2'];
    engine.failing.add(id);
    await reader.remake(id);
    const record = picture.get(id);
    assert.deepEqual(record?.kind === 'sandbox' && record.ips, ['10.0.0.2']);
    assert.equal(record?.problem, undefined);
    await Promise.all([reader.remake(id), reader.whole(id), reader.remake(id)]);
    assert.equal(picture.get(id)?.problem?.reason, 'CannotBeRead');
  });

  it('forgets what was removed without asking, and asks once more where it is being read', async () => {
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    await reader.gone(id);
    assert.equal(picture.get(id), undefined);
    const other = await createSandbox(engine, 'b');
    engine.hanging.set(other, deferred());
    const reading = reader.whole(other);
    await engine.removeContainer(other);
    const gone = reader.gone(other);
    engine.hanging.get(other)?.resolve();
    await Promise.all([reading, gone]);
    assert.equal(picture.get(other), undefined);
  });

  it('reads an object into the picture, tells of it, and forgets it when it is gone', async () => {
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    assert.equal(picture.get(id)?.status, 'created');
    await engine.removeContainer(id);
    await reader.whole(id);
    assert.equal(picture.get(id), undefined);
    assert.deepEqual(
      changes.map(({ before, after }) => [before?.status, after?.status]),
      [
        [undefined, 'created'],
        ['created', undefined],
      ],
    );
  });

  it('tells of one that cannot be read by the list, says why, and reads it again by itself', async () => {
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    await engine.startContainer(id);
    engine.failing.add(id);
    await reader.sight(id);
    const record = picture.get(id);
    assert.deepEqual([record?.status, record?.problem?.reason], ['running', 'CannotBeRead']);
    assert.equal(record?.problem?.message, FAILURE.message);
    engine.failing.delete(id);
    await until('the retry', () => picture.get(id)?.problem === undefined);
    assert.deepEqual(losses, [], 'one object says nothing of the Engine');
  });

  it('forgets one that cannot be read and is listed no more', async () => {
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    await engine.removeContainer(id);
    engine.failing.add(id);
    await reader.sight(id);
    assert.equal(picture.get(id), undefined);
  });

  it('lets nobody wait for an inspect that hangs, and takes its answer when it comes', async () => {
    const [slow = '', quick = ''] = await Promise.all(['a', 'b'].map((name) => createSandbox(engine, name)));
    engine.hanging.set(slow, deferred());
    const sight = reader.sight(slow);
    await reader.sight(quick);
    assert.deepEqual(picture.ids(), [quick]);
    await sight;
    assert.equal(picture.get(slow)?.problem?.reason, 'NotAnswered');
    engine.hanging.get(slow)?.resolve();
    await until('the answer', () => picture.get(slow)?.problem === undefined);
  });

  it('tells of an object whose inspect hangs by a new list each time it is asked', async () => {
    const id = await createSandbox(engine, 'a');
    engine.hanging.set(id, deferred());
    await reader.sight(id);
    await engine.startContainer(id);
    await reader.sight(id);
    assert.equal(picture.get(id)?.status, 'running');
  });

  it('forgets one that was removed before who removed it reads, also when its inspect hangs and is given up then', async () => {
    const id = await createSandbox(engine, 'a');
    engine.hanging.set(id, deferred());
    await reader.sight(id);
    assert.equal(picture.get(id)?.problem?.reason, 'NotAnswered');
    await engine.removeContainer(id);
    const sight = reader.sight(id);
    reader.note(id); // for the event
    await sight;
    assert.equal(picture.get(id), undefined);
  });

  it('calls the Engine lost when the list fails too', async () => {
    const id = await createSandbox(engine, 'a');
    engine.failing.add(id);
    engine.down = true;
    await assert.rejects(reader.sight(id), (error) => hasCode(error, Code.UNAVAILABLE));
    reader.note(id);
    await until('the loss to be told', () => losses.length === 1);
  });

  it('leaves out what is not ours', async () => {
    reader = begin({ read: () => Promise.resolve(undefined) });
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    assert.deepEqual([picture.get(id), reader.leftOut.has(id)], [undefined, true]);
  });

  it('keeps what it knew of an object when it cannot be told whose it is', async () => {
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    const read = begin({ read: () => Promise.reject(new Error('no image')) });
    await read.whole(id);
    const { status, problem } = picture.get(id) ?? {};
    assert.deepEqual([status, problem?.message], ['created', 'no image']);
  });

  it('lets others learn of an end only when what belongs before it is done', async () => {
    const done = deferred();
    const id = await createSandbox(engine, 'a');
    await reader.whole(id);
    const read = begin({ beforeTold: () => done.promise });
    await engine.startContainer(id);
    const whole = read.whole(id);
    await read.running('another');
    assert.equal(picture.get(id)?.status, 'created');
    done.resolve();
    await whole;
    assert.equal(picture.get(id)?.status, 'running');
  });
});
