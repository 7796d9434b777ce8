import assert from 'node:assert/strict';
import { containerOf, isReady } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { hasUserNamespaces } from '../support/user-namespaces.js';
import { docker, haltProgram, restartProgram } from '../support/cluster.js';
import { openChannels } from '../support/channels.js';
import { converse, portForward } from '../support/port-forward.js';
import { restartEngine } from '../support/engine.js';
import { RUN_ON, engineId, subject, waitFor } from '../support/pod-case.js';
import type { PodCase, PodSpec } from '../support/pod-case.js';

const tick = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.3; done';

const withUserNamespaces = await hasUserNamespaces();

/** A pod that works through this is the same one afterwards: nothing restarted, exec and logs work. */
async function survives(world: PodCase, disturb: () => Promise<void>, spec: PodSpec = {}): Promise<void> {
  const pod = await world.ready({ run: tick, ...spec });
  const before = containerOf(await world.get(pod));
  await disturb();
  const fresh = await world.ready(spec);
  assert.equal(await world.exec(fresh, 'echo new'), 'new');
  const now = containerOf(await world.until(pod, 'a ready pod', isReady));
  assert.deepEqual([now?.containerID, now?.restartCount], [before?.containerID, 0]);
  assert.equal(await world.exec(pod, 'echo old'), 'old');
  const numbers = async (): Promise<number[]> => (await world.logs(pod)).trim().split('\n').map(Number);
  const seen = await numbers();
  await waitFor('more of its log', async () => ((await numbers()).length > seen.length ? true : undefined));
  const all = await numbers();
  assert.deepEqual(
    all,
    all.map((_, n) => n + 1),
    'nothing lost, nothing twice',
  );
}

/** Waits until the kubelet calls cridock again: after a restart it dials in its own time. */
async function execWorks(world: PodCase, pod: Pod): Promise<void> {
  await waitFor('exec', async () =>
    (await world.kubectl(['exec', pod.metadata.name, '--', 'true'])).code === 0 ? true : undefined,
  );
}

subject(
  'restarts',
  ({ quick, whole }) => {
    quick('pods live through a restart of the kubelet', (world) =>
      survives(world, () => restartProgram('kubelet')),
    );
    whole('pods live through a kubelet that is killed', (world) =>
      survives(world, () => restartProgram('kubelet', 'KILL')),
    );
    quick('pods live through a restart of cridock', (world) =>
      survives(world, () => restartProgram('cridock')),
    );
    quick('pods live through a cridock that is killed', (world) =>
      survives(world, () => restartProgram('cridock', 'KILL')),
    );

    quick('pods live through a restart of an Engine with live-restore', (world) =>
      survives(world, () => restartEngine()),
    );

    if (withUserNamespaces) {
      quick('pods with a user namespace live through restarts of all three', async (world) => {
        const apart = { hostUsers: false };
        await survives(world, () => restartProgram('kubelet', 'KILL'), apart);
        await survives(world, () => restartProgram('cridock', 'KILL'), apart);
        await survives(world, () => restartEngine(), apart);
      });

      quick('a container of theirs starts again after that, in the same namespace', async (world) => {
        const pod = await world.ready({ hostUsers: false });
        const namespace = await world.exec(pod, 'readlink /proc/self/ns/user');
        await restartProgram('cridock');
        await restartEngine();
        await execWorks(world, pod);
        await world.endMain(pod);
        await world.until(pod, 'a second run', (now) => isReady(now) && containerOf(now)?.restartCount === 1);
        assert.equal(await world.exec(pod, 'readlink /proc/self/ns/user'), namespace);
      });
    }

    quick('a container that ends while cridock is away is started again', async (world) => {
      const pod = await world.ready();
      await haltProgram('cridock');
      await docker('kill', engineId(containerOf(pod)));
      await restartProgram('cridock');
      await world.container(
        pod,
        'a restart',
        ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
      );
    });

    quick('a container that ends while the kubelet is away tells its exit code', async (world) => {
      const pod = await world.ready({
        restartPolicy: 'Never',
        run: "trap 'exit 9' TERM; while :; do sleep 0.2; done",
      });
      await haltProgram('kubelet');
      await docker('kill', '-s', 'TERM', engineId(containerOf(pod)));
      await restartProgram('kubelet');
      assert.equal(containerOf(await world.ended(pod))?.state.terminated?.exitCode, 9);
    });

    whole('a pod deleted while the kubelet is away is cleaned up', async (world) => {
      const pod = await world.ready();
      await haltProgram('kubelet');
      await world.delete(pod, 0);
      await restartProgram('kubelet');
      await waitFor('the end of its containers', async () =>
        (await docker('ps', '-aq', '--filter', `label=io.kubernetes.pod.uid=${pod.metadata.uid}`)) === ''
          ? true
          : undefined,
      );
    });

    whole('pods made while cridock is killed again and again all come up', async (world) => {
      const pods = await Promise.all(Array.from({ length: 8 }, () => world.pod()));
      for (let turn = 0; turn < 3; turn++) await restartProgram('cridock', 'KILL');
      for (const pod of pods) await world.until(pod, 'a ready pod', isReady);
      const running = await docker(
        'ps',
        '-q',
        '--filter',
        `label=io.kubernetes.pod.namespace=${world.namespace}`,
        '--filter',
        'label=io.kubernetes.container.name=main',
      );
      const uids = new Set(
        (
          await docker(
            'ps',
            '--format',
            '{{.Label "io.kubernetes.pod.uid"}}',
            '--filter',
            'label=io.kubernetes.container.name=main',
          )
        ).split('\n'),
      );
      assert.ok(pods.every(({ metadata }) => uids.has(metadata.uid)));
      assert.ok(running.split('\n').length >= 8);
    });

    whole('probes go on after a restart of cridock', async (world) => {
      const probe = {
        exec: { command: ['test', '-e', '/tmp/ready'] },
        periodSeconds: 1,
        failureThreshold: 1,
      };
      const pod = await world.ready({
        containers: [{ run: `touch /tmp/ready; ${RUN_ON}`, readinessProbe: probe }],
      });
      await restartProgram('cridock');
      await execWorks(world, pod);
      await world.exec(pod, 'rm /tmp/ready');
      await world.until(pod, 'an unready pod', (now) => !isReady(now));
    });

    whole('exec with an Origin and port-forward work after a restart of cridock', async (world) => {
      const pod = await world.ready({ run: 'exec nc -ll -p 7000 -e cat' });
      await restartProgram('cridock');
      await execWorks(world, pod);
      const session = await openChannels(
        `${world.path(pod)}/exec?command=echo&command=hi&stdout=1`,
        'v4.channel.k8s.io',
      );
      await session.closed();
      assert.equal(session.text(1), 'hi\n');
      const forward = await portForward(pod, 7000);
      try {
        assert.equal(await converse(forward.port, 'over'), 'over');
      } finally {
        await forward.close();
      }
    });

    whole('pods come back after an Engine without live-restore', async (world) => {
      const pod = await world.ready();
      await restartEngine({ liveRestore: false });
      await world.until(
        pod,
        'a ready pod again',
        (now) => isReady(now) && (containerOf(now)?.restartCount ?? 0) >= 1,
      );
      await restartEngine();
    });
  },
  1,
);
