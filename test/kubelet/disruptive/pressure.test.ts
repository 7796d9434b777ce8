import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { api, isReady } from '../support/api.js';
import { NODE, cluster, docker, kubectl } from '../support/cluster.js';
import { nodeStatus, withKubelet } from '../support/kubelet-settings.js';
import { RUN_ON, podSpec, subject, waitFor } from '../support/pod-case.js';
import { makeImage } from '../support/own-image.js';
import type { KubeObject } from '../support/api.js';

/** The free part of the file system that images are on, in bytes, and all of it. */
function disk(): { free: number; whole: number } {
  const { bavail, blocks, bsize } = statfsSync(cluster.data);
  return { free: bavail * bsize, whole: blocks * bsize };
}

subject(
  'pressure',
  ({ quick, whole }) => {
    // The kubelet looks every five minutes.
    whole(
      'images that nobody uses are removed when the disk is full, and those in use stay',
      async (world) => {
        const names = [world.name('unused'), world.name('used')].map((name) => `${name}:1`);
        const [unused = '', used = ''] = names;
        for (const name of names) await makeImage(name);
        await world.ready({ containers: [{ run: RUN_ON, image: used }] });
        const { free, whole: all } = disk();
        const full = Math.max(1, Math.floor((1 - free / all) * 100) - 20);
        await withKubelet(
          {
            imageGCHighThresholdPercent: full,
            imageGCLowThresholdPercent: full - 1,
            imageMinimumGCAge: '1s',
          },
          async () => {
            await waitFor(
              'the end of the unused image',
              async () => ((await docker('images', '-q', unused)) === '' ? true : undefined),
              420_000,
            );
          },
        );
        assert.notEqual(await docker('images', '-q', used), '');
        assert.notEqual(
          await docker('images', '-q', 'registry.k8s.io/pause'),
          '',
          'the image of sandboxes is pinned',
        );
      },
    );

    whole('a full disk evicts pods, and the node says so', async (world) => {
      const pod = await world.ready({
        containers: [{ run: `head -c 5000000 /dev/zero >/big; exec sleep 4321` }],
      });
      const soon = disk().free * 1.2;
      await withKubelet({ evictionHard: { 'nodefs.available': String(Math.floor(soon)) } }, async () => {
        const { status } = await world.until(
          pod,
          'an eviction',
          (now) => now.status.phase === 'Failed',
          300_000,
        );
        assert.equal(status.reason, 'Evicted');
        assert.match(status.message ?? '', /low on resource: ephemeral-storage|DiskPressure/);
        const now = await nodeStatus();
        assert.equal(now.status.conditions.find(({ type }) => type === 'DiskPressure')?.status, 'True');
        await waitFor('the taint', async () =>
          (await nodeStatus()).spec.taints?.some(({ key }) => key.endsWith('disk-pressure'))
            ? true
            : undefined,
        );
      });
    });

    quick('a drained node is empty, and takes pods again afterwards', async (world) => {
      const name = world.name('d');
      const labels = { name };
      await world.create<KubeObject>(`/apis/apps/v1/namespaces/${world.namespace}/deployments`, {
        metadata: { name },
        spec: {
          replicas: 2,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec({}) },
        },
      });
      const pods = async (): Promise<readonly Parameters<typeof isReady>[0][]> =>
        (
          await api<{ items: Parameters<typeof isReady>[0][] }>(
            'GET',
            `/api/v1/namespaces/${world.namespace}/pods?labelSelector=name%3D${name}`,
          )
        ).items;
      const allReady = async (): Promise<true | undefined> => {
        const list = await pods();
        return list.length === 2 && list.every((pod) => isReady(pod)) ? true : undefined;
      };
      await waitFor('its pods', allReady);
      try {
        const drained = await kubectl([
          'drain',
          NODE,
          '--ignore-daemonsets',
          '--delete-emptydir-data',
          '--force',
          '--timeout=140s',
        ]);
        assert.equal(drained.code, 0, drained.stderr);
        await waitFor('no container', async () =>
          (await docker('ps', '-q', '--filter', `label=io.kubernetes.pod.namespace=${world.namespace}`)) ===
          ''
            ? true
            : undefined,
        );
      } finally {
        await kubectl(['uncordon', NODE]);
      }
      await waitFor('its pods again', allReady);
    });
  },
  1,
);
