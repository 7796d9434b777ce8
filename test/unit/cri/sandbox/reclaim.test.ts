import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { reclaimVanishedSandboxes, type ReclaimDeps } from '../../../../src/cri/sandbox/reclaim.js';
import { DockerBridgeNetwork } from '../../../../src/network/docker-bridge.js';
import { HeldNamespaces } from '../../../../src/node/held-namespace.js';
import { CheckpointStore } from '../../../../src/state/checkpoint.js';
import { podResourcesStore } from '../../../../src/state/pod-resources.js';
import { deferred } from '../../../../src/util/deferred.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { mirrorOf } from '../../../support/mirror-parts.js';
import { until } from '../../../support/until.js';

it('a network that hangs is asked for a few vanished sandboxes at a time, and for none twice', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cridock-reclaim-'));
  const engine = new FakeEngine();
  const mirror = mirrorOf(engine, { reconcileEveryMs: 5 });
  const checkpoints = new CheckpointStore({ dir: join(folder, 'sandbox'), log: silentLogger });
  await checkpoints.prepare();
  const vanished = Array.from({ length: 20 }, (_, index) => index.toString(16).padStart(64, '0'));
  for (const id of vanished) {
    await checkpoints.write(id, { name: 'pod', namespace: 'ns', portMappings: [], hostNetwork: false });
  }
  const answer = deferred();
  const asked: string[] = [];
  const network: ReclaimDeps['network'] = Object.assign(new DockerBridgeNetwork(silentLogger), {
    tearDown: ({ sandboxId }: { sandboxId: string }): Promise<void> => {
      asked.push(sandboxId);
      return answer.promise;
    },
  });
  const podResources = podResourcesStore(folder, silentLogger);
  await podResources.prepare();
  const podNamespaces = new HeldNamespaces();
  reclaimVanishedSandboxes({
    ...{ checkpoints, engine, mirror, network, podNamespaces, podResources, log: silentLogger },
  });
  let readings = 0;
  mirror.subscribe({ onResync: () => (readings += 1) });
  mirror.start();
  t.after(async () => {
    answer.resolve();
    await mirror.stop();
    await rm(folder, { recursive: true });
  });
  await until('the network to be asked', () => asked.length > 0);
  const before = readings;
  await until('more full readings', () => readings >= before + 5);
  assert.equal(asked.length, 4);
  answer.resolve();
  await until('all to be reclaimed', async () => (await checkpoints.list()).length === 0);
  assert.deepEqual(asked.sort(), vanished);
});
