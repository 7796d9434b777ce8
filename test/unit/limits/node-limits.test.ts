import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NO_NODE_LIMITS } from '../../../src/convert/limits/node-limits.js';
import { heldLimitsStore, settleLimits, type NodeLimitsDeps } from '../../../src/limits/node-limits.js';
import type { Mirror } from '../../../src/state/mirror.js';
import { podLockKey } from '../../../src/state/picture.js';
import { deferred } from '../../../src/util/deferred.js';
import { KeyedMutex } from '../../../src/util/keyed-mutex.js';
import { silentLogger } from '../../../src/util/log.js';
import { FakeEngine } from '../../support/fake-engine.js';
import { mirrorOf } from '../../support/mirror-parts.js';
import { until } from '../../support/until.js';

const LABELS = {
  'io.kubernetes.docker.type': 'container',
  'io.kubernetes.container.name': 'c',
  'io.kubernetes.sandbox.id': 'a'.repeat(64),
};
const LIMITS = { limits: { ...NO_NODE_LIMITS, oomScoreAdj: 500 }, set: true };

describe('limits that are kept of a container', () => {
  const engine = new FakeEngine();
  let root: string;
  let mirror: Mirror;
  let deps: NodeLimitsDeps;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'cridock-limits-'));
    engine.addImage('a:1');
    mirror = mirrorOf(engine); // nothing but the Engine's word tells that a container is gone
    const heldLimits = heldLimitsStore(root, silentLogger);
    await heldLimits.prepare();
    deps = { heldLimits, mirror, podLocks: new KeyedMutex(), log: silentLogger };
    settleLimits(deps, () => false);
    mirror.start();
  });
  after(async () => {
    await mirror.stop();
    await rm(root, { recursive: true });
  });

  async function made(): Promise<string> {
    const HostConfig = { NetworkMode: `container:${LABELS['io.kubernetes.sandbox.id']}` };
    const id = await engine.createContainer('k8s_c_p_ns_uid_0', { Image: 'a:1', Labels: LABELS, HostConfig });
    await engine.startContainer(id);
    await mirror.refresh(id);
    await deps.heldLimits.set(id, LIMITS);
    return id;
  }

  it('are set of each container once its pod is free, whatever the pods of others wait for', async () => {
    const often = mirrorOf(engine, { reconcileEveryMs: 5 });
    const folder = await mkdtemp(join(tmpdir(), 'cridock-limits-'));
    const due = heldLimitsStore(folder, silentLogger);
    await due.prepare();
    const locks = new KeyedMutex();
    const waits: string[] = [];
    const podLocks = Object.assign(new KeyedMutex(), {
      run: <T>(key: string, work: () => Promise<T>): Promise<T> => {
        waits.push(key);
        return locks.run(key, work);
      },
    });
    const [busy, free] = ['b'.repeat(64), 'c'.repeat(64)];
    const ids: string[] = [];
    for (const pod of [busy, free]) {
      const id = await engine.createContainer(`k8s_c_${pod}_ns_uid_0`, {
        Image: 'a:1',
        Labels: { ...LABELS, 'io.kubernetes.sandbox.id': pod },
        HostConfig: { NetworkMode: `container:${pod}` },
      });
      await engine.startContainer(id);
      await due.set(id, { limits: NO_NODE_LIMITS, set: false });
      ids.push(id);
    }
    const { promise, resolve: goOn } = deferred();
    const held = locks.run(busy, () => promise);
    settleLimits({ heldLimits: due, mirror: often, podLocks, log: silentLogger }, () => false);
    let readings = 0;
    often.subscribe({ onResync: () => (readings += 1) });
    often.start();
    const isSet = (id = ''): boolean | undefined => due.get(id)?.set;
    try {
      await until('those of the other to be set', () => isSet(ids[1]) === true);
      const before = readings;
      await until('more full readings', () => readings >= before + 5);
      assert.equal(waits.filter((key) => key === busy).length, 1);
      goOn();
      await until('those of the first to be set', () => isSet(ids[0]) === true);
    } finally {
      goOn();
      await held;
      await often.stop();
      for (const id of ids) await engine.removeContainer(id);
      await rm(folder, { recursive: true });
    }
  });

  const files = () => readdir(join(root, 'limits'));

  it('go with it, when it is removed behind our back or its removal was given up', async () => {
    const id = await made();
    await engine.removeContainer(id);
    await until('they are gone', () => deps.heldLimits.get(id) === undefined);
    await until('their file is gone', async () => (await files()).length === 0);
  });

  it('go with it, also when they are being changed meanwhile', async () => {
    const id = await made();
    const container = mirror.lastKnown.containers.get(id);
    assert.ok(container !== undefined);
    const { promise: seen, resolve: goOn } = deferred();
    const change = deps.podLocks.run(podLockKey(mirror.lastKnown, container), async () => {
      await seen;
      await deps.heldLimits.set(id, LIMITS);
    });
    await engine.removeContainer(id);
    await until('it is known to be gone', () => mirror.lastKnown.containers.get(id) === undefined);
    goOn();
    await change;
    await until('they are gone', () => deps.heldLimits.get(id) === undefined);
    await until('their file is gone', async () => (await files()).length === 0);
  });
});
