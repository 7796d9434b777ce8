import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../src/docker/dockerode-engine.js';
import { silentLogger } from '../../src/util/log.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../support/cridock-process.js';
import { added, leftovers, type Leftovers } from '../support/leftovers.js';
import { makePod, removePod, untilAnswered } from '../support/pod-worker.js';
import { seededRandom } from '../support/random.js';
import { until } from '../support/until.js';

const KILLS = 50;
const CALLERS = 8;
const LONGEST_LIFE_MS = 1_500;
/** After so many kills it is looked whether pods get made at all. */
const LOOK_EVERY = 5;
const CONTAINERS_PER_POD = 2;

/**
 * Callers make and remove pods while cridock is killed at random moments and started again; they only ever try their calls
 * again. Afterwards each call has had its effect exactly once.
 */
describe('kill -9 of cridock under load', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const seed = Number(process.env['CRIDOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  let cridock: CridockProcess;
  let atStart: Leftovers;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
    atStart = await leftovers(engine, cridock);
  });
  after(async () => {
    await cridock.stop();
    engine.close();
  });

  it(`survives ${KILLS} kills: nothing lost, doubled or orphaned (CRIDOCK_TEST_SEED=${seed})`, async () => {
    let killing = true;
    let made = 0;
    /** Longer where the machine does not get a pod made in between: kills are to meet pods at every stage. */
    let longestLifeMs = LONGEST_LIFE_MS;
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let round = 0; killing; round += 1) {
        const spec = {
          name: `kill-${caller}-${round}`,
          image: 'busybox:latest',
          directory: cridock.directory,
          containers: CONTAINERS_PER_POD,
        };
        const pod = await makePod(cridock.client, spec, untilAnswered);
        await checkPod(cridock, spec.name, pod.sandboxId, pod.containerIds);
        made += 1;
        await removePod(cridock.client, pod, untilAnswered);
      }
    });
    const failed = Promise.all(callers);
    try {
      for (let kill = 0, madeBefore = 0; kill < KILLS; kill += 1) {
        if (kill % LOOK_EVERY === LOOK_EVERY - 1) {
          if (made === madeBefore) longestLifeMs *= 2;
          madeBefore = made;
        }
        await Promise.race([delay(random() * longestLifeMs), failed]);
        await cridock.kill9();
        await cridock.restart();
      }
    } finally {
      killing = false;
    }
    await failed;
    assert.ok(made >= CALLERS, `only ${made} pods were made`);
    const left = async () => added(atStart, await leftovers(engine, cridock));
    await until('nothing to be left', async () => (await left()).length === 0).catch(() => undefined);
    assert.deepEqual(await left(), []);
  });

  /** The pod is there once, with exactly its containers, and all of them run. */
  async function checkPod(
    { client }: CridockProcess,
    name: string,
    sandboxId: string,
    containerIds: string[],
  ): Promise<void> {
    const label_selector = { 'io.kubernetes.pod.name': name };
    const { items } = await untilAnswered(() =>
      client.runtime.ListPodSandbox({ filter: { label_selector } }),
    );
    assert.deepEqual(
      items.map(({ id }) => id),
      [sandboxId],
    );
    const filter = { pod_sandbox_id: sandboxId, state: { state: 1 } } as const;
    const { containers } = await untilAnswered(() => client.runtime.ListContainers({ filter }));
    assert.deepEqual(containers.map(({ id }) => id).sort(), [...containerIds].sort());
  }
});
