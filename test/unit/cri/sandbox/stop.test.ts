import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { removePodSandbox, type RemoveSandboxDeps } from '../../../../src/cri/sandbox/remove.js';
import { stopPodSandbox } from '../../../../src/cri/sandbox/stop.js';
import { HeldNamespaces } from '../../../../src/node/held-namespace.js';
import type { Mirror } from '../../../../src/state/mirror.js';
import type { CallContext } from '../../../../src/util/call-context.js';
import { deferred, type Deferred } from '../../../../src/util/deferred.js';
import { KeyedMutex } from '../../../../src/util/keyed-mutex.js';
import { silentLogger } from '../../../../src/util/log.js';
import { FakeEngine } from '../../../support/fake-engine.js';
import { createSandbox, mirrorOf } from '../../../support/mirror-parts.js';
import { until } from '../../../support/until.js';

const ctx = { signal: new AbortController().signal } as CallContext;

describe('a sandbox that is removed while a call waits for its pod', () => {
  let engine: FakeEngine;
  let mirror: Mirror;
  let deps: RemoveSandboxDeps;
  let detached: string[];
  let id: string;
  /** Ends the call that the others wait for. */
  let other: Deferred;

  beforeEach(async () => {
    engine = new FakeEngine();
    mirror = mirrorOf(engine);
    mirror.start();
    await mirror.current();
    id = await createSandbox(engine, 'a');
    await engine.startContainer(id);
    await until('the sandbox', () => mirror.lastKnown.sandboxes.get(id)?.status === 'running');
    detached = [];
    const parts = {
      engine,
      mirror,
      log: silentLogger,
      podLocks: new KeyedMutex(),
      checkpoints: { read: () => Promise.resolve(undefined), remove: () => Promise.resolve() },
      podResources: { delete: () => Promise.resolve() },
      podNamespaces: new HeldNamespaces(),
      network: {
        tearDown: ({ sandboxId }: { sandboxId: string }) => {
          detached.push(sandboxId);
          return Promise.resolve();
        },
        forget: () => Promise.resolve(),
      },
    };
    deps = parts as unknown as RemoveSandboxDeps;
    other = deferred();
    void parts.podLocks.run('k8s_POD_a_ns_uid_0', () => other.promise);
  });
  afterEach(() => mirror.stop());

  for (const [rpc, call] of Object.entries({ stopPodSandbox, removePodSandbox })) {
    it(`is not detached once more by ${rpc}: its network, like its process, is nobody's any more`, async () => {
      const waiting = call(deps, { pod_sandbox_id: id }, ctx);
      await engine.removeContainer(id);
      await until('the removal', () => mirror.lastKnown.sandboxes.get(id) === undefined);
      other.resolve();
      await waiting;
      assert.deepEqual(detached, []);
    });
  }
});
