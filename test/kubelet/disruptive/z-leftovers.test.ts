import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isMissing } from '../../../src/util/is-missing.js';
import { api } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { cluster, docker } from '../support/cluster.js';
import { subject, waitFor } from '../support/pod-case.js';

const files = (folder: string): string[] =>
  readdirSync(path.join(cluster.data, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

/** Runs last: every pod of the cases before was deleted. */
subject('leftovers', ({ quick }) => {
  quick('pods leave nothing: no container, address, cache, checkpoint, mount or log', async () => {
    await waitFor('the end of all pods', async () => {
      const { items } = await api<{ items: Pod[] }>('GET', '/api/v1/pods');
      return items.length === 0 ? true : undefined;
    });
    await waitFor('the end of all containers', async () =>
      (await docker('ps', '-aq', '--filter', 'label=io.kubernetes.docker.type')) === '' ? true : undefined,
    );
    let left: string[] = [];
    const look = (): string[] => {
      const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
      return [
        ...files('leases').filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)),
        ...files('cni-cache'),
        ...files('cridock').filter((name) => /^[0-9a-f]{64}/.test(name)),
        // The kubelet mounts its own folder on itself: that is no pod's.
        ...mounts.filter(
          (line) => line.includes(` ${cluster.data}/`) && !line.includes(` ${cluster.data}/kubelet `),
        ),
        ...readdirSync(path.join(cluster.data, 'pod-logs')),
      ];
    };
    const nothingLeft = (): Promise<true | undefined> => {
      try {
        left = look();
      } catch (error) {
        if (!isMissing(error)) throw error;
        left = [String(error)]; // a folder that went while it was read
      }
      return Promise.resolve(left.length === 0 ? true : undefined);
    };
    await waitFor('the end of their files and mounts', nothingLeft).catch((error: unknown) => {
      throw new Error(left.join('\n'), { cause: error });
    });
  });
});
