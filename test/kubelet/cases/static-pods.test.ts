import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ApiError, api, containerOf, isReady } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { NODE, cluster } from '../support/cluster.js';
import { RUN_ON, podSpec, subject, waitFor } from '../support/pod-case.js';
import type { PodCase, PodSpec } from '../support/pod-case.js';

const manifest = (name: string): string => path.join(cluster.run, 'manifests', `${name}.json`);

function write(world: PodCase, name: string, spec: PodSpec = {}): void {
  const metadata = { name, namespace: world.namespace };
  writeFileSync(
    manifest(name),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { ...podSpec(spec), terminationGracePeriodSeconds: 2 },
    }),
  );
}

/** Its mirror at the API server, or undefined. */
async function mirror(world: PodCase, name: string): Promise<Pod | undefined> {
  try {
    return await api<Pod>('GET', `/api/v1/namespaces/${world.namespace}/pods/${name}-${NODE}`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function withStatic(
  world: PodCase,
  spec: PodSpec,
  body: (name: string, pod: Pod) => Promise<void>,
): Promise<void> {
  const name = world.name('static');
  write(world, name, spec);
  try {
    await body(
      name,
      await waitFor('a ready mirror', async () => {
        const pod = await mirror(world, name);
        return pod && isReady(pod) ? pod : undefined;
      }),
    );
  } finally {
    rmSync(manifest(name), { force: true });
  }
  await waitFor('the end of the mirror', async () =>
    (await mirror(world, name)) === undefined ? true : undefined,
  );
}

subject('static pods', ({ quick, whole }) => {
  quick('one runs, is mirrored, and ends with its file', async (world) => {
    await withStatic(world, {}, async (_name, pod) => {
      assert.equal(pod.metadata.annotations?.['kubernetes.io/config.source'], 'file');
      assert.equal(await world.exec(pod, 'echo here'), 'here');
    });
  });

  quick('a changed file replaces the pod', async (world) => {
    await withStatic(
      world,
      { containers: [{ run: RUN_ON, env: [{ name: 'WHAT', value: 'old' }] }] },
      async (name, pod) => {
        write(world, name, { containers: [{ run: RUN_ON, env: [{ name: 'WHAT', value: 'new' }] }] });
        const next = await waitFor('the new one', async () => {
          const now = await mirror(world, name);
          return now && now.metadata.uid !== pod.metadata.uid && isReady(now) ? now : undefined;
        });
        assert.equal(await world.exec(next, 'echo $WHAT'), 'new');
      },
    );
  });

  quick('one that fails is started again', async (world) => {
    await withStatic(world, {}, async (_name, pod) => {
      await world.endMain(pod);
      await world.container(
        pod,
        'a restart',
        ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
      );
    });
  });

  whole('deleting the mirror does not end it', async (world) => {
    await withStatic(world, {}, async (name, pod) => {
      await world.delete(pod, 0);
      const next = await waitFor('a new mirror', async () => {
        const now = await mirror(world, name);
        return now && now.metadata.uid !== pod.metadata.uid ? now : undefined;
      });
      assert.equal(
        containerOf(await world.until(next, 'its status', (now) => containerOf(now) !== undefined))
          ?.containerID,
        containerOf(pod)?.containerID,
      );
    });
  });

  whole('one on the network of the node, with a critical priority', async (world) => {
    await withStatic(
      world,
      { hostNetwork: true, priorityClassName: 'system-node-critical' },
      (_name, pod) => {
        assert.equal(pod.status.podIP, cluster.address);
        return Promise.resolve();
      },
    );
  });
});
