import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ContainerState } from '../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../src/gen/runtime/v1/PodSandboxState.js';
import { Code } from '../../src/util/cri-error.js';
import { noEngine, startCridock, type CridockProcess } from '../support/cridock-process.js';
import { makePod, removePod, type MadePod } from '../support/pod-worker.js';
import { until } from '../support/until.js';

const OUTAGE_MS = 30_000;
const HEALED_WITHIN_MS = 30_000;

const [version = '20.10', store] = (process.env['CRIDOCK_TEST_ENGINE'] ?? '20.10').split('+');
const engineArguments = [
  version,
  '--name',
  'outage',
  ...(store === 'containerd' ? ['--containerd-store'] : []),
];

/** Runs one of the repository's own scripts; what it says goes to the test's stderr. */
function script(name: string, args: readonly string[], env: Record<string, string> = {}): string {
  // Compiled, this file is <root>/<outDir>/test/fault/outage.test.js.
  const path = fileURLToPath(new URL(`../../../test/support/${name}`, import.meta.url));
  return execFileSync(path, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  }).trim();
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === Code.UNAVAILABLE;
}

describe('dockerd stopped for 30 s and started again', { skip: noEngine }, () => {
  let cridock: CridockProcess;
  let pod: MadePod;

  before(async () => {
    const endpoint = `unix://${script('engine.sh', ['start', ...engineArguments])}`;
    script('images.sh', ['load', endpoint], { DOCKER: script('engine.sh', ['docker', version]) });
    cridock = await startCridock({ flags: [`--docker-endpoint=${endpoint}`] });
    pod = await makePod(cridock.client, spec('outage-before'));
  });
  after(async () => {
    try {
      await cridock.stop();
    } finally {
      script('engine.sh', ['stop', ...engineArguments]);
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

  it('says why in Status, answers Version and ImageFsInfo, and serves nothing stale', async () => {
    assert.equal((await runtimeReady()).status, true);
    const { runtime_version: runtimeVersion } = await cridock.client.runtime.Version({});
    script('engine.sh', ['halt', ...engineArguments]);
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
    script('engine.sh', ['start', ...engineArguments]);
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
