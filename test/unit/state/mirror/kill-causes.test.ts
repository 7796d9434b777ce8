import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Mirror } from '../../../../src/state/mirror.js';
import { deferred } from '../../../../src/util/deferred.js';
import { unlessAborted } from '../../../../src/util/unless-aborted.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { mirrorOf } from '../../../support/mirror-parts.js';
import { until } from '../../../support/until.js';

const LABELS = {
  'io.kubernetes.docker.type': 'container',
  'io.kubernetes.sandbox.id': 'f'.repeat(64),
  'io.kubernetes.container.name': 'c',
};

describe('the end of a container that was killed', () => {
  let engine: FakeEngine;
  let mirror: Mirror;
  let id: string;
  /** Each reading that others were told of, as `status reason`. */
  let told: string[];
  /** Containers that the kernel tells to have killed in. */
  let killed: Set<string>;

  beforeEach(async () => {
    engine = new FakeEngine();
    engine.addImage('image:1');
    told = [];
    killed = new Set();
    mirror = begin();
    await mirror.current();
    const hostConfig = { NetworkMode: `container:${LABELS['io.kubernetes.sandbox.id']}` };
    const body = { Image: 'image:1', Labels: LABELS, HostConfig: hostConfig };
    id = await engine.createContainer('k8s_c_pod_ns_uid_0', body);
    await engine.startContainer(id);
    await until('the start', () => told.at(-1) === 'running ');
  });
  afterEach(() => mirror.stop());

  function begin(): Mirror {
    const made = mirrorOf(engine, { isKernelsKill: (one) => Promise.resolve(killed.has(one)) });
    made.subscribe({
      onChange: ({ after }) => {
        if (after?.kind === 'container') told.push(`${after.status} ${after.phase.reason}`);
      },
    });
    made.start();
    return made;
  }

  const ends = (): string[] => told.filter((reading) => reading.startsWith('exited'));

  it('is told by the list with its cause, where the inspect is not answered', async (t) => {
    const inspect = engine.inspectContainer.bind(engine);
    const letGo = deferred();
    t.after(() => letGo.resolve());
    engine.inspectContainer = async (one, options) => {
      await unlessAborted(letGo.promise, options?.signal);
      return inspect(one, options);
    };
    engine.tellOom(id);
    engine.exit(id, 137);
    await until('the end', () => ends().length > 0);
    assert.equal(ends()[0], 'exited OOMKilled');
  });

  it('is told once Docker says that memory ran out, though it says so after the end', async () => {
    engine.exit(id, 137);
    await delay(100); // by now the end has been read
    assert.deepEqual(ends(), []);
    engine.tellOom(id);
    await until('the end', () => ends().length > 0);
    assert.equal(ends()[0], 'exited OOMKilled');
  });

  it('is OOMKilled also for an Engine that takes no note of memory that had run out before the end', async () => {
    engine.exit(id, 137);
    engine.tellOom(id, false);
    await until('the end', () => ends().length > 0);
    await mirror.refresh(id);
    assert.deepEqual(new Set(ends()), new Set(['exited OOMKilled']));
  });

  it('is OOMKilled also when it was read for a caller, before Docker told of it', async () => {
    engine.exit(id, 137);
    const reading = mirror.reach(id, ({ status }) => status === 'exited');
    await delay(50);
    engine.tellOom(id, false);
    const record = await reading;
    assert.equal(record?.kind === 'container' && record.phase.reason, 'OOMKilled');
    assert.equal(ends()[0], 'exited OOMKilled');
  });

  it('is told at once when the Engine was asked to kill it', async () => {
    const beganMs = performance.now();
    await engine.stopContainer(id, 0);
    await mirror.reach(id, ({ status }) => status === 'exited');
    assert.ok(performance.now() - beganMs < 1_000);
    assert.deepEqual(ends(), ['exited Error']);
  });

  it('is OOMKilled at once where the kernel says so, though Docker never does', async () => {
    const beganMs = performance.now();
    killed.add(id);
    engine.exit(id, 137);
    await until('the end', () => ends().length > 0);
    assert.ok(performance.now() - beganMs < 1_000);
    await mirror.refresh(id);
    await mirror.stop();
    mirror = begin();
    await mirror.current();
    assert.deepEqual(new Set(ends()), new Set(['exited OOMKilled']));
  });

  it('is OOMKilled where the kernel has killed a child alone, and Docker tells of none', async () => {
    killed.add(id);
    engine.exit(id, 0);
    await until('the end', () => ends().length > 0);
    await mirror.refresh(id);
    await mirror.stop();
    mirror = begin();
    await mirror.current();
    assert.deepEqual(new Set(ends()), new Set(['exited OOMKilled']));
  });

  it('is no OOM kill when the Engine was asked for it, whatever the kernel has told of the container', async () => {
    killed.add(id);
    await engine.stopContainer(id, 0);
    await mirror.reach(id, ({ status }) => status === 'exited');
    assert.deepEqual(ends(), ['exited Error']);
  });

  it('is told after a while when nothing explains it', async () => {
    engine.exit(id, 137);
    await until('the end', () => ends().length > 0, 10_000);
    assert.deepEqual(ends(), ['exited Error']);
  });

  it('is told at once when it is found at a connection', async () => {
    await mirror.stop();
    engine.exit(id, 137);
    const beganMs = performance.now();
    mirror = begin();
    await mirror.current();
    assert.ok(performance.now() - beganMs < 1_000);
    assert.deepEqual(ends(), ['exited Error']);
  });
});
