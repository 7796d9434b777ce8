import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { nriAdjustmentsStore } from '../../../../src/cri/nri/adjust-container.js';
import { forgetAdjustments } from '../../../../src/cri/nri/host.js';
import type { Mirror } from '../../../../src/state/mirror.js';
import { KeyedMutex } from '../../../../src/util/keyed-mutex.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { createMember, createSandbox, mirrorOf } from '../../../support/mirror-parts.js';
import { until } from '../../../support/until.js';

describe('what plugins wanted of a container', () => {
  let folder: string;
  let engine: FakeEngine;
  let mirror: Mirror;
  let adjustments: ReturnType<typeof nriAdjustmentsStore>;
  let ids: string[];

  const begin = async (): Promise<void> => {
    mirror = mirrorOf(engine);
    adjustments = nriAdjustmentsStore(folder, silentLogger);
    await adjustments.prepare();
    forgetAdjustments({ mirror, nriAdjustments: adjustments, podLocks: new KeyedMutex(), log: silentLogger });
    mirror.start();
    await mirror.current();
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cridock-adjustments-'));
    engine = new FakeEngine();
    const sandbox = await createSandbox(engine, 'pod');
    ids = await Promise.all(['one', 'two'].map((name) => createMember(engine, sandbox, name)));
    await begin();
  });
  afterEach(async () => {
    await mirror.stop();
    await rm(folder, { recursive: true });
  });

  it('is forgotten when others remove it, which costs no question where there was nothing', async () => {
    const [adjusted = '', plain = ''] = ids;
    await adjustments.set(adjusted, {});
    const asked: string[] = [];
    const inspect = engine.inspectContainer.bind(engine);
    engine.inspectContainer = (id, options) => {
      asked.push(id);
      return inspect(id, options);
    };
    for (const id of [plain, adjusted]) await engine.removeContainer(id);
    await until('it to be forgotten', () => adjustments.ids().length === 0);
    assert.equal(mirror.lastKnown.containers.get(plain), undefined);
    assert.ok(!asked.includes(plain));
  });

  it('is forgotten when it was removed while cridock was away', async () => {
    const [adjusted = '', other = ''] = ids;
    for (const id of ids) await adjustments.set(id, {});
    await mirror.stop();
    await engine.removeContainer(adjusted);
    await begin();
    await until('it to be forgotten', () => adjustments.get(adjusted) === undefined);
    assert.deepEqual(adjustments.ids(), [other]);
  });
});
