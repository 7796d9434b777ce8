import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Companion } from '../../../../src/companion/companion.js';
import { nriAdjustmentsStore, type AdjustDeps } from '../../../../src/cri/nri/adjust-container.js';
import { createWithPlugins } from '../../../../src/cri/nri/create-container.js';
import { nriHost } from '../../../../src/cri/nri/host.js';
import { heldLimitsStore } from '../../../../src/limits/node-limits.js';
import { hostPaths } from '../../../../src/node/host-paths.js';
import { Nri, type NriHost } from '../../../../src/nri/nri.js';
import type { Mirror } from '../../../../src/state/mirror.js';
import { podResourcesStore } from '../../../../src/state/pod-resources.js';
import { KeyedMutex } from '../../../../src/util/keyed-mutex.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { createMember, createSandbox, mirrorOf } from '../../../support/mirror-parts.js';
import { nriOptions } from '../../../support/nri-runtime.js';
import { until } from '../../../support/until.js';

const PATIENCE_MS = 60_000;
const POD = 'k8s_POD_pod_ns_uid_0';
const TEST_PLUGIN = pathToFileURL(join(import.meta.dirname, '../../../support/nri-plugin.js')).href;

/** A plugin that wants all containers that it is told of when it comes to have other shares. */
const UPDATING = `#!${process.execPath}
import { Socket } from 'node:net';
import { decodeRequest, TestPlugin } from '${TEST_PLUGIN}';
const Synchronize = (bytes) => ({
  update: decodeRequest('SynchronizeRequest', bytes).containers.map(({ id }) => ({
    container_id: id,
    linux: { resources: { cpu: { shares: { value: 300 } } } },
  })),
});
await new TestPlugin(new Socket({ fd: 3 }), { replies: { Synchronize } }).register();
`;

describe('cridock starts, with an NRI plugin of the folder', () => {
  let folder: string;
  let engine: FakeEngine;
  let mirror: Mirror;
  let nri: Nri;
  let deps: AdjustDeps;
  /** That of a container that runs in the pod. */
  let running: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cridock-nri-'));
    const folders = { plugins: join(folder, 'plugins'), configs: join(folder, 'conf.d') };
    await mkdir(folders.plugins);
    await writeFile(join(folders.plugins, '10-updating'), UPDATING, { mode: 0o755 });
    engine = new FakeEngine();
    const sandbox = await createSandbox(engine, 'pod');
    await engine.startContainer(sandbox);
    running = await createMember(engine, sandbox, 'running');
    await engine.startContainer(running);
    mirror = mirrorOf(engine);
    nri = new Nri({ ...nriOptions(PATIENCE_MS), folders }, (): NriHost => host);
    deps = {
      ...{ engine, mirror, nri, log: silentLogger, podLocks: new KeyedMutex() },
      companion: new Companion(folder, () => true, silentLogger),
      heldLimits: heldLimitsStore(folder, silentLogger),
      hostPaths: hostPaths(),
      nriAdjustments: nriAdjustmentsStore(folder, silentLogger),
      podResources: podResourcesStore(folder, silentLogger),
      settings: { minOomScoreAdj: 0 } as AdjustDeps['settings'],
    };
    for (const store of [deps.heldLimits, deps.nriAdjustments, deps.podResources]) await store.prepare();
    const host = nriHost(deps);
    mirror.start();
    await mirror.current();
  });
  afterEach(async () => {
    await nri.stop();
    await mirror.stop();
    await rm(folder, { recursive: true });
  });

  /** As CreateContainer does: under the pod's lock. */
  function createSecond(signal?: AbortSignal): Promise<string> {
    const sandbox = mirror.lastKnown.containers.get(running)?.sandboxId ?? '';
    return deps.podLocks.run(POD, () =>
      createWithPlugins(
        deps,
        'k8s_second_pod_ns_uid_0',
        () => createMember(engine, sandbox, 'second'),
        signal,
      ),
    );
  }

  it('a container is made in a pod whose containers the plugin updates, and then they are updated', async () => {
    nri.startPrograms();
    let id: string | undefined;
    void createSecond().then((made) => (id = made));
    await until('the container to be made', () => id !== undefined);
    await until('the other one to be updated', async () => {
      const { HostConfig: host } = await engine.inspectContainer(running);
      return host.CpuShares === 300;
    });
    assert.equal(nri.plugins.all.length, 1);
  });

  it('who gives up a container that waits for the plugin holds up its pod no longer', async () => {
    nri.startPrograms();
    const caller = new AbortController();
    const made = assert.rejects(createSecond(caller.signal), /given up/);
    let registered: number | undefined;
    void deps.podLocks.run(POD, async () => (registered = await Promise.resolve(nri.plugins.all.length)));
    caller.abort(new Error('given up'));
    await until('the pod to be free', () => registered !== undefined);
    assert.equal(registered, 0);
    await made;
  });
});
