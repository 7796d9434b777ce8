import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { forEachLimited } from '../../../src/util/concurrency.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.js';
import { removePod, untilAnswered, type MadePod } from '../../support/pod-worker.js';
import { containerConfig, podConfig } from '../../support/pods.js';

/** Many more with CRIDOCK_TEST_LIVES. */
const LIVES = Number(process.env['CRIDOCK_TEST_LIVES'] ?? 24);
const CALLERS = 4;
const WHOLE_LIFE = [0, 1, 2, 3];

describe('GetContainerEvents on an Engine whose connections break', { skip: noEngine }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'events-'));
  let proxy: CountingProxy;
  let cridock: CridockProcess;
  let pod: MadePod;
  const config = (): ReturnType<typeof podConfig> => podConfig('events', cridock.directory);

  before(async () => {
    const socket = path.join(folder, 'engine.sock');
    proxy = await startCountingProxy(testDockerEndpoint.replace('unix://', ''), socket);
    cridock = await startCridock({ flags: ['--log-level=info', `--docker-endpoint=${proxy.endpoint}`] });
    const made = await cridock.client.runtime.RunPodSandbox({ config: config() });
    pod = { sandboxId: made.pod_sandbox_id, containerIds: [] };
  });
  after(async () => {
    await removePod(cridock.client, pod);
    await cridock.stop();
    await proxy.close();
    rmSync(folder, { recursive: true });
  });

  it('tells each life once and in order', async () => {
    const { runtime, streams } = cridock.client;
    const stream = streams.GetContainerEvents({});
    await stream.opened;
    const lives = new Map<string, number[]>();
    const reading = (async () => {
      let ended = 0;
      for await (const event of stream) {
        const { container_id: id, container_event_type: type } = event;
        assert.equal(event.pod_sandbox_status?.id, pod.sandboxId);
        lives.set(id, [...(lives.get(id) ?? []), type]);
        ended += type === 3 ? 1 : 0;
        if (ended === LIVES) break;
      }
    })();
    await forEachLimited(Array.from({ length: LIVES }).keys(), CALLERS, async (index) => {
      const request = {
        pod_sandbox_id: pod.sandboxId,
        config: containerConfig(`life-${index}`, 'busybox:latest', 'true'),
        sandbox_config: config(),
      };
      const { container_id: id } = await untilAnswered(() => runtime.CreateContainer(request));
      await untilAnswered(() => runtime.StartContainer({ container_id: id }));
      if (index % 8 === 4) proxy.cut();
      await untilAnswered(() => runtime.RemoveContainer({ container_id: id }));
    });
    await reading;
    stream.cancel();
    assert.equal(lives.size, LIVES);
    for (const [id, life] of lives) assert.deepEqual(life, WHOLE_LIFE, id);
  });
});
