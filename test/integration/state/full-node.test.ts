import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { FaultyEngine } from '../../fault/faults/faulty-engine.js';
import {
  makeTestDirectory,
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';

/** `CRIDOCK_TEST_PODS=200 CRIDOCK_TEST_ROUNDS=5` fills a large node, as often as it takes to see what is rare. */
const PODS = Number(process.env['CRIDOCK_TEST_PODS'] ?? 20);
const ROUNDS = Number(process.env['CRIDOCK_TEST_ROUNDS'] ?? 1);
const CALLERS = 8;
const UNREADABLE = 5;
const READY_WITHIN_MS = 5_000;
/** Beside other tests nothing is judged by seconds. */
const JUDGES_TIMES = process.env['CRIDOCK_TEST_PODS'] !== undefined;

describe(`a node that is filled with ${PODS} pods by ${CALLERS} callers`, { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let proxy: FaultyEngine;
  const pods: MadePod[] = [];
  const notReady: string[] = [];

  before(async () => {
    const directory = makeTestDirectory();
    const socket = join(directory, 'docker.sock');
    proxy = await FaultyEngine.listen(testDockerEndpoint.replace(/^unix:\/\//, ''), socket);
    const flags = [`--docker-endpoint=unix://${socket}`, '--log-level=info'];
    cridock = await startCridock({ directory, flags });
    await cridock.client.runtime.ListContainers({}); // it waits for the connection
  });
  after(async () => {
    await empty().catch(() => undefined);
    await cridock.stop();
    await proxy.close();
  });

  async function readiness(): Promise<string> {
    const { status } = await cridock.client.runtime.Status({});
    const condition = status?.conditions.find(({ type }) => type === 'RuntimeReady');
    return condition?.status === true ? '' : (condition?.message ?? 'no condition');
  }

  async function fill(round: number): Promise<void> {
    await forEachLimited(Array.from({ length: PODS }).keys(), CALLERS, async (index) => {
      const name = `full-${round}-${index}`;
      const spec = { name, image: 'busybox:latest', directory: cridock.directory, containers: 2 };
      pods.push(await makePod(cridock.client, spec));
    });
  }

  async function empty(): Promise<void> {
    await forEachLimited(pods.splice(0), CALLERS, (pod) => removePod(cridock.client, pod));
  }

  it('is ready throughout, and the Engine is never called lost', async () => {
    const isOver = new AbortController();
    const watching = (async () => {
      while (!isOver.signal.aborted) {
        const why = await readiness();
        if (why !== '') notReady.push(why);
        await delay(200);
      }
    })();
    for (let round = 0; round < ROUNDS; round += 1) {
      await fill(round);
      if (round < ROUNDS - 1) await empty();
    }
    isOver.abort();
    await watching;
    assert.deepEqual(notReady, []);
    assert.doesNotMatch(cridock.log(), /lost the Docker Engine/);
  });

  it(`is ready soon after a restart with ${UNREADABLE} containers that cannot be inspected, and all is right`, async (t) => {
    const all = pods.flatMap(({ containerIds }) => containerIds);
    const culprits = new Set(all.slice(0, UNREADABLE));
    let number = 0;
    proxy.treat = ({ path }) => {
      const [, id = ''] = /\/containers\/([0-9a-f]{64})\/json$/.exec(path) ?? [];
      if (!culprits.has(id)) return undefined;
      return (number += 1) % 2 === 0 ? { kind: 'status', status: 500 } : { kind: 'hung', reaches: false };
    };
    await cridock.restart();
    const beganMs = performance.now();
    while ((await readiness()) !== '') await delay(50);
    const readyMs = performance.now() - beganMs;
    t.diagnostic(`ready ${Math.round(readyMs)} ms after it answers`);
    if (JUDGES_TIMES) assert.ok(readyMs < READY_WITHIN_MS);
    const { containers } = await cridock.client.runtime.ListContainers({});
    const states = new Map(containers.map(({ id, state }) => [id, state]));
    for (const id of all) assert.equal(states.get(id), ContainerState.CONTAINER_RUNNING, id);
    for (const id of culprits) await cridock.client.runtime.RemoveContainer({ container_id: id });
    const left = (await cridock.client.runtime.ListContainers({})).containers.map(({ id }) => id);
    assert.deepEqual(
      all.filter((id) => !left.includes(id)),
      [...culprits],
    );
    proxy.treat = undefined;
  });
});
