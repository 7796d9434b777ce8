import assert from 'node:assert/strict';
import { condition, containerOf, isReady } from '../support/api.js';
import { patience } from '../support/cluster.js';
import { RUN_ON, subject } from '../support/pod-case.js';

const work = { volumes: [{ name: 'work', emptyDir: {} }] };
const mounted = { volumeMounts: [{ name: 'work', mountPath: '/work' }] };

subject('init', ({ quick, whole }) => {
  quick('init containers run one after the other, before the others', async (world) => {
    const output = await world.output('cat /work/order', {
      ...work,
      initContainers: [
        { name: 'one', run: 'sleep 1; echo one >>/work/order', ...mounted },
        { name: 'two', run: 'echo two >>/work/order', ...mounted },
      ],
      containers: [mounted],
    });
    assert.equal(output, 'one\ntwo');
  });

  quick('a failing init container holds the pod, and is tried again', async (world) => {
    const pod = await world.pod({ initContainers: [{ name: 'init', run: 'exit 1' }] });
    await world.container(pod, 'restarts', ({ restartCount }) => restartCount >= 2, 'init');
    const now = await world.get(pod);
    assert.equal(containerOf(now)?.state.waiting?.reason, 'PodInitializing');
    assert.equal(condition(now, 'Initialized'), 'False');
  });

  quick('a failing init container of a pod that never restarts fails it', async (world) => {
    const pod = await world.ended(
      await world.pod({ restartPolicy: 'Never', initContainers: [{ name: 'init', run: 'exit 5' }] }),
    );
    assert.equal(pod.status.phase, 'Failed');
    assert.equal(containerOf(pod, 'init')?.state.terminated?.exitCode, 5);
  });

  quick('a sidecar starts before the others and runs beside them', async (world) => {
    const output = await world.output('cat /work/side; sleep 1', {
      ...work,
      initContainers: [
        {
          name: 'side',
          restartPolicy: 'Always',
          run: `sleep 1; echo up >/work/side; ${RUN_ON}`,
          startupProbe: {
            exec: { command: ['test', '-e', '/work/side'] },
            periodSeconds: 1,
            timeoutSeconds: patience,
            failureThreshold: 60,
          },
          ...mounted,
        },
      ],
      containers: [mounted],
    });
    assert.equal(output, 'up');
  });

  quick('a pod with a sidecar ends when its own containers have', async (world) => {
    const pod = await world.ended(
      await world.pod({
        restartPolicy: 'Never',
        run: 'sleep 1',
        initContainers: [{ name: 'side', restartPolicy: 'Always', run: RUN_ON }],
      }),
    );
    assert.equal(pod.status.phase, 'Succeeded');
    await world.container(pod, 'its end', ({ state }) => state.terminated !== undefined, 'side');
  });

  quick('sidecars end after the others, in reverse order', async (world) => {
    const run = 'trap \'cut -d" " -f1 /proc/uptime; exit 0\' TERM; echo up; while :; do sleep 0.2; done';
    const names = ['main', 'second', 'first'];
    const pod = await world.ready({
      terminationGracePeriodSeconds: 60 * patience,
      initContainers: ['first', 'second'].map((name) => ({ name, restartPolicy: 'Always', run })),
      containers: [{ run }],
    });
    const logs = await Promise.all(names.map((name) => world.follow(pod, name)));
    await world.delete(pod);
    const times = await Promise.all(logs.map(async ({ end }) => Number((await end).replace('up', ''))));
    assert.deepEqual(
      times,
      [...times].sort((one, other) => one - other),
    );
    assert.ok(
      times.every((time) => time > 0),
      String(times),
    );
    await world.gone(pod);
  });

  quick('a sidecar that ends is started again', async (world) => {
    const pod = await world.pod({
      initContainers: [{ name: 'side', restartPolicy: 'Always', run: 'sleep 1; exit 1' }],
    });
    await world.container(pod, 'a restart', ({ restartCount }) => restartCount >= 1, 'side');
    assert.equal(containerOf(await world.get(pod))?.restartCount ?? 0, 0);
  });

  whole('a sidecar with probes counts for the readiness of the pod', async (world) => {
    const pod = await world.ready({
      initContainers: [
        {
          name: 'side',
          restartPolicy: 'Always',
          run: `touch /tmp/ready; ${RUN_ON}`,
          readinessProbe: {
            exec: { command: ['test', '-e', '/tmp/ready'] },
            periodSeconds: 1,
            timeoutSeconds: patience,
            failureThreshold: 1,
          },
        },
      ],
    });
    await world.exec(pod, 'rm /tmp/ready', 'side');
    await world.until(pod, 'an unready pod', (now) => !isReady(now));
  });

  whole('init containers run again in a new sandbox', async (world) => {
    const pod = await world.pod({
      restartPolicy: 'Always',
      ...work,
      initContainers: [{ name: 'init', run: 'echo ran >>/work/runs', ...mounted }],
      containers: [{ run: RUN_ON, ...mounted }],
    });
    await world.until(pod, 'a ready pod', isReady);
    assert.equal(await world.exec(pod, 'cat /work/runs'), 'ran');
    assert.equal(containerOf(await world.get(pod), 'init')?.state.terminated?.reason, 'Completed');
  });

  whole('an init container may have more than the others', async (world) => {
    const pod = await world.ready({
      initContainers: [{ name: 'init', run: 'true', resources: { limits: { memory: '64Mi', cpu: '200m' } } }],
      containers: [{ run: RUN_ON, resources: { limits: { memory: '32Mi', cpu: '100m' } } }],
    });
    assert.equal(pod.status.qosClass, 'Guaranteed');
  });
});
