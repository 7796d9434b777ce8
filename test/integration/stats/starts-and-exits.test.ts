import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachLimited } from '../../../src/util/concurrency.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { dockerRequest } from '../../support/docker-request.js';
import { removePod, type MadePod } from '../../support/pod-worker.js';
import { containerConfig, podConfig } from '../../support/pods.js';

/** Many more with CRIDOCK_TEST_STARTS. */
const STARTS = Number(process.env['CRIDOCK_TEST_STARTS'] ?? 48);
/** The OCI runtime; with CRIDOCK_TEST_RUNTIME=crun, where the Engine takes Debian's, starts are cheaper. */
const RUNTIME_HANDLER = process.env['CRIDOCK_TEST_RUNTIME'] ?? '';
const CONTAINERS = 6;
const STARTS_EACH = Math.ceil(STARTS / CONTAINERS);
const [CREATED, STARTED, STOPPED, DELETED] = [0, 1, 2, 3];

/** The reader takes nothing for this long after every so many events. */
const STALL_MS = 3_000;
const STALL_EVERY = Math.max(40, STARTS / 20);

describe('GetContainerEvents while containers start and end without a pause', { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let pod: MadePod;

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info'] });
    const config = podConfig('starts', cridock.directory);
    const { pod_sandbox_id: sandboxId } = await cridock.client.runtime.RunPodSandbox({
      config,
      runtime_handler: RUNTIME_HANDLER,
    });
    pod = { sandboxId, containerIds: [] };
  });
  after(async () => {
    await removePod(cridock.client, pod);
    await cridock.stop();
  });

  it(`tells ${STARTS} starts and exits once and in order, to a reader that stalls now and then`, async () => {
    const { runtime, streams } = cridock.client;
    const stream = streams.GetContainerEvents({});
    await stream.opened;
    const lives = new Map<string, number[]>();
    const reading = (async () => {
      let read = 0;
      let deleted = 0;
      let lastNs = 0n;
      for await (const { container_id: id, container_event_type: type, created_at: at } of stream) {
        assert.ok(BigInt(at) > lastNs, 'times grow');
        lastNs = BigInt(at);
        lives.set(id, [...(lives.get(id) ?? []), type]);
        read += 1;
        deleted += type === DELETED ? 1 : 0;
        if (deleted === CONTAINERS) break;
        if (read % STALL_EVERY === 0) await delay(STALL_MS);
      }
    })();
    // The kubelet never starts a container twice, but Docker does: a start and an exit are the same for the first and for any
    // later run, and need no container to be made.
    await forEachLimited(Array.from({ length: CONTAINERS }).keys(), CONTAINERS, async (index) => {
      const { container_id: id } = await runtime.CreateContainer({
        pod_sandbox_id: pod.sandboxId,
        config: containerConfig(`c${index}`, 'busybox:latest', 'exit'),
        sandbox_config: podConfig('starts', cridock.directory),
      });
      for (let run = 0; run < STARTS_EACH; run += 1) {
        await docker(`/containers/${id}/start`);
        await docker(`/containers/${id}/wait?condition=not-running`);
      }
      await runtime.RemoveContainer({ container_id: id });
    });
    await reading;
    stream.cancel();
    console.log(`${lives.size} containers, ${[...lives.values()].flat().length} events`);
    const runs = Array.from({ length: STARTS_EACH }, () => [STARTED, STOPPED]).flat();
    assert.equal(lives.size, CONTAINERS);
    for (const [id, life] of lives) assert.deepEqual(life, [CREATED, ...runs, DELETED], id);
  });
});

async function docker(path: string): Promise<void> {
  const { status, body } = await dockerRequest(testDockerEndpoint, 'POST', path);
  assert.ok(status < 300, `${path}: ${status} ${body}`);
}
