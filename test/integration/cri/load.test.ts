import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { silentLogger } from '../../../src/util/log.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { added, leftovers, type Leftovers } from '../../support/leftovers.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';

const PODS = 110;
const CONTAINERS_PER_POD = 2;
const CALLERS = 8;

describe('110 pods, made and removed by 8 callers at a time', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  const pods: MadePod[] = [];
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

  it('makes them all without an error', async () => {
    const names = Array.from({ length: PODS }, (_, index) => `load-${index}`);
    await forEachLimited(names, CALLERS, async (name) => {
      const spec = {
        name,
        image: 'busybox:latest',
        directory: cridock.directory,
        containers: CONTAINERS_PER_POD,
      };
      pods.push(await makePod(cridock.client, spec));
    });
    const { items } = await cridock.client.runtime.ListPodSandbox({});
    const ready = items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY);
    assert.equal(ready.length, PODS);
    const { containers } = await cridock.client.runtime.ListContainers({});
    assert.equal(containers.length, PODS * CONTAINERS_PER_POD);
  });

  it('gives each pod an address of its own', async () => {
    const ips = new Set<string>();
    for (const { sandboxId } of pods) {
      const { status } = await cridock.client.runtime.PodSandboxStatus({ pod_sandbox_id: sandboxId });
      ips.add(status?.network?.ip ?? '');
    }
    assert.equal(ips.size, PODS);
    assert.ok(!ips.has(''));
  });

  it('removes them all without an error and leaves nothing behind', async () => {
    await forEachLimited(pods, CALLERS, (pod) => removePod(cridock.client, pod));
    assert.deepEqual(added(atStart, await leftovers(engine, cridock)), []);
    assert.deepEqual((await cridock.client.runtime.ListPodSandbox({})).items, []);
    assert.deepEqual((await cridock.client.runtime.ListContainers({})).containers, []);
  });
});
