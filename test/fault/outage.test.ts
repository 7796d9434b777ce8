import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../src/gen/runtime/v1/PodSandboxState.js';
import { Code } from '../../src/util/cri-error.js';
import { noEngine, startCridock, type CridockProcess } from '../support/cridock-process.js';
import { startOwnEngine, type OwnEngine } from '../support/own-engine.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { podConfig } from '../support/pods.js';
import { until } from '../support/until.js';

const OUTAGE_MS = 30_000;
const HEALED_WITHIN_MS = 30_000;

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === Code.UNAVAILABLE;
}

describe('dockerd stopped for 30 s and started again', { skip: noEngine }, () => {
  let engine: OwnEngine;
  let cridock: CridockProcess;
  let pod: MadePod;

  before(async () => {
    engine = startOwnEngine(process.env['CRIDOCK_TEST_ENGINE'] ?? '20.10', 'outage');
    cridock = await startCridock({ flags: [`--docker-endpoint=unix://${engine.socketPath}`] });
    pod = await makePod(cridock.client, spec('outage-before'));
  });
  after(async () => {
    try {
      await cridock.stop();
    } finally {
      engine.stop();
    }
  });

  function spec(name: string): Parameters<typeof makePod>[1] {
    return { name, image: 'busybox:latest', directory: cridock.directory, containers: 1 };
  }

  async function runtimeReady(): Promise<{ status: boolean; message: string }> {
    const { status } = await cridock.client.runtime.Status({});
    const condition = status?.conditions.find(({ type }) => type === 'RuntimeReady');
    assert.ok(condition !== undefined);
    return condition;
  }

  it('takes over what a reload of the daemon has changed', async () => {
    const folder = dirname(engine.socketPath);
    const file = join(folder, 'daemon.json');
    const before = await readFile(file, 'utf8');
    const handlers = async (): Promise<string[]> =>
      (await cridock.client.runtime.Status({})).runtime_handlers.map(({ name }) => name);
    const reload = async (text: string): Promise<void> => {
      await writeFile(file, text);
      process.kill(Number(await readFile(join(folder, 'dockerd.pid'), 'utf8')), 'SIGHUP');
    };
    const settings = JSON.parse(before) as { runtimes: object };
    await reload(
      JSON.stringify({ ...settings, runtimes: { ...settings.runtimes, added: { path: 'runc' } } }),
    );
    await until('the new handler', async () => (await handlers()).includes('added'));
    const config = podConfig('outage-reload', cridock.directory);
    const { pod_sandbox_id: id } = await cridock.client.runtime.RunPodSandbox({
      config,
      runtime_handler: 'added',
    });
    await cridock.client.runtime.RemovePodSandbox({ pod_sandbox_id: id });
    await reload(before);
    await until('its end', async () => !(await handlers()).includes('added'));
  });

  it('says why in Status, answers Version and ImageFsInfo, and serves nothing stale', async () => {
    assert.equal((await runtimeReady()).status, true);
    const { runtime_version: runtimeVersion } = await cridock.client.runtime.Version({});
    engine.halt();
    await until('the Engine to be missed', async () => !(await runtimeReady()).status);
    const backAtMs = Date.now() + OUTAGE_MS;
    while (Date.now() < backAtMs) {
      const { status, message } = await runtimeReady();
      assert.equal(status, false);
      assert.match(message, /docker/i);
      assert.equal((await cridock.client.runtime.Version({})).runtime_version, runtimeVersion);
      const { image_filesystems: filesystems } = await cridock.client.image.ImageFsInfo({});
      assert.ok(filesystems[0]?.fs_id?.mountpoint);
      await assert.rejects(cridock.client.runtime.ListPodSandbox({}), isUnavailable);
      await assert.rejects(cridock.client.image.ListImages({}), isUnavailable);
      await delay(1_000);
    }
  });

  it('heals by itself when dockerd is back', async () => {
    engine.goOn();
    await until('RuntimeReady', async () => (await runtimeReady()).status, HEALED_WITHIN_MS);
    // Without live-restore the Engine has ended what ran: that is what the kubelet must be told.
    const { containers } = await cridock.client.runtime.ListContainers({});
    assert.deepEqual(
      containers.map(({ id, state }) => ({ id, state })),
      [{ id: pod.containerIds[0], state: ContainerState.CONTAINER_EXITED }],
    );
    const { items } = await cridock.client.runtime.ListPodSandbox({});
    assert.deepEqual(
      items.map(({ id, state }) => ({ id, state })),
      [{ id: pod.sandboxId, state: PodSandboxState.SANDBOX_NOTREADY }],
    );
    await removePod(cridock.client, pod);
    await removePod(cridock.client, await makePod(cridock.client, spec('outage-after')));
    assert.deepEqual((await cridock.client.runtime.ListPodSandbox({})).items, []);
  });
});
