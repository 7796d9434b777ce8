import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, it } from 'node:test';
import { Reconciliation, type Readings } from '../../../../src/state/mirror/reconciliation.js';
import { Picture } from '../../../../src/state/picture.js';
import { Code, hasCode } from '../../../../src/util/cri-error.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { createSandbox, readEvery } from '../../../support/mirror-parts.js';

const COMPARE_EVERY_MS = 5_000;

describe('Reconciliation', () => {
  let engine: FakeEngine;
  let picture: Picture;
  let sighted: string[];
  let lastEventMs: number;
  /** Objects whose reading never ends. */
  let stuck: Set<string>;
  const slowMs = new Map<string, number>();
  let leftOut: Set<string>;
  let reconciliation: Reconciliation;

  beforeEach(() => {
    engine = new FakeEngine();
    picture = new Picture();
    sighted = [];
    stuck = new Set();
    leftOut = new Set();
    lastEventMs = Infinity;
    const readings: Readings = { leftOut, isReading: (id) => stuck.has(id), sight };
    reconciliation = new Reconciliation({
      engine,
      log: silentLogger,
      picture,
      readings,
      lastEventMs: () => lastEventMs,
      compareEveryMs: COMPARE_EVERY_MS,
    });
  });

  async function sight(id: string): Promise<void> {
    sighted.push(id);
    if (stuck.has(id)) await new Promise(() => undefined);
    await delay(slowMs.get(id) ?? 0);
    const inspect = await engine.inspectContainer(id).catch(() => undefined);
    const record = inspect && (await readEvery(inspect, picture.get(id)));
    if (record === undefined) picture.delete(id);
    else picture.put(record);
  }

  const never = (): AbortSignal => new AbortController().signal;

  it('reads all that is listed or known, and counts what it had to correct', async () => {
    const [stays, changes, goes] = await Promise.all(
      ['a', 'b', 'c'].map((name) => createSandbox(engine, name)),
    );
    await reconciliation.readAll(never());
    assert.equal(picture.ids().length, 3);
    await engine.startContainer(changes ?? '');
    await engine.removeContainer(goes ?? '');
    assert.equal(await reconciliation.readAll(never()), 2);
    assert.deepEqual(picture.ids().sort(), [stays, changes].sort());
  });

  it('does not wait for an object that is known and whose reading takes long', async () => {
    const [slow, quick] = await Promise.all(['a', 'b'].map((name) => createSandbox(engine, name)));
    await reconciliation.readAll(never());
    stuck.add(slow ?? '');
    await engine.startContainer(quick ?? '');
    assert.equal(await reconciliation.readAll(never()), 1);
    assert.equal(picture.get(slow ?? '')?.status, 'created');
  });

  it('is not over before an object that is not known yet was seen, which would be told as gone', async () => {
    const [slow] = await Promise.all(['a', 'b'].map((name) => createSandbox(engine, name)));
    slowMs.set(slow ?? '', 3_000);
    await reconciliation.readAll(never());
    assert.equal(picture.ids().length, 2);
  });

  it('fails with the list, and reads nothing then', async () => {
    await createSandbox(engine, 'a');
    engine.down = true;
    await assert.rejects(reconciliation.readAll(never()), (error) => hasCode(error, Code.UNAVAILABLE));
    await assert.rejects(reconciliation.compare(never()), (error) => hasCode(error, Code.UNAVAILABLE));
    assert.deepEqual(sighted, []);
  });

  it('compares at the cost of a list while all agrees', async () => {
    await createSandbox(engine, 'a');
    await reconciliation.readAll(never());
    sighted = [];
    assert.equal(await reconciliation.compare(never()), 0);
    assert.deepEqual(sighted, []);
  });

  it('corrects what no event has told after a while, and only that', async () => {
    const [told, untold, reading] = await Promise.all(
      ['a', 'b', 'c'].map((name) => createSandbox(engine, name)),
    );
    await reconciliation.readAll(never());
    sighted = [];
    for (const id of [told, untold, reading]) await engine.startContainer(id ?? '');
    stuck.add(reading ?? '');
    const compared = reconciliation.compare(never());
    // Its event comes while the comparison waits.
    const record = await readEvery(await engine.inspectContainer(told ?? ''), undefined);
    if (record !== undefined) picture.put(record);
    assert.equal(await compared, 1);
    assert.deepEqual(sighted, [untold]);
  });

  it('breaks with an event stream that has told of nothing', async () => {
    const id = await createSandbox(engine, 'a');
    await reconciliation.readAll(never());
    await engine.startContainer(id);
    lastEventMs = performance.now() - 2 * COMPARE_EVERY_MS;
    await assert.rejects(reconciliation.compare(never()), (error) => hasCode(error, Code.UNAVAILABLE));
    assert.equal(picture.get(id)?.status, 'running', 'what the comparison found stays');
  });

  it('takes what no record is made of for no change', async () => {
    leftOut.add(await createSandbox(engine, 'a'));
    assert.equal(await reconciliation.compare(never()), 0);
  });
});
