import assert from 'node:assert/strict';
import { api, isReady } from '../support/api.js';
import type { KubeObject, Pod } from '../support/api.js';
import { RUN_ON, podSpec, subject, waitFor } from '../support/pod-case.js';
import type { PodCase, PodSpec } from '../support/pod-case.js';

/** A workload of the apps group with its pods. */
function workload(world: PodCase, kind: string, pods: PodSpec, spec: object): Promise<KubeObject> {
  const name = world.name('w');
  const labels = { workload: name };
  return world.create<KubeObject>(`/apis/apps/v1/namespaces/${world.namespace}/${kind}`, {
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(pods) },
      ...spec,
    },
  });
}

const podsOf = async (
  world: PodCase,
  { metadata }: KubeObject,
  label = 'workload',
): Promise<readonly Pod[]> =>
  (
    await api<{ items: Pod[] }>(
      'GET',
      `/api/v1/namespaces/${world.namespace}/pods?labelSelector=${label}%3D${metadata.name}`,
    )
  ).items;

/** Waits until this many of its pods are ready and no others are there. */
const ready = (world: PodCase, object: KubeObject, count: number): Promise<readonly Pod[]> =>
  waitFor(`${count} ready pods`, async () => {
    const pods = await podsOf(world, object);
    return pods.length === count && pods.every((pod) => isReady(pod)) ? pods : undefined;
  });

function job(world: PodCase, pods: PodSpec, spec: object = {}): Promise<KubeObject> {
  return world.create<KubeObject>(`/apis/batch/v1/namespaces/${world.namespace}/jobs`, {
    metadata: { name: world.name('j') },
    spec: { template: { spec: podSpec({ restartPolicy: 'Never', ...pods }) }, ...spec },
  });
}

const jobEnds = (world: PodCase, { metadata }: KubeObject): Promise<string> =>
  waitFor('the end of the job', async () => {
    const { status } = await api<{ status: { conditions?: { type: string; status: string }[] } }>(
      'GET',
      `/apis/batch/v1/namespaces/${world.namespace}/jobs/${metadata.name}`,
    );
    return status.conditions?.find(
      ({ type, status: holds }) => holds === 'True' && ['Complete', 'Failed'].includes(type),
    )?.type;
  });

subject('workloads', ({ quick, whole }) => {
  quick('a deployment is scaled up and down', async (world) => {
    const made = await workload(world, 'deployments', {}, { replicas: 2 });
    await ready(world, made, 2);
    for (const replicas of [4, 1]) {
      await world.kubectl(['scale', `deployment/${made.metadata.name}`, `--replicas=${replicas}`]);
      await ready(world, made, replicas);
    }
  });

  quick('a deployment rolls out a change, and back', async (world) => {
    const made = await workload(
      world,
      'deployments',
      { containers: [{ run: RUN_ON, env: [{ name: 'WHAT', value: 'old' }] }] },
      { replicas: 2 },
    );
    await ready(world, made, 2);
    const target = `deployment/${made.metadata.name}`;
    await world.kubectl(['set', 'env', target, 'WHAT=new']);
    const out = await world.kubectl(['rollout', 'status', target, '--timeout=140s']);
    assert.equal(out.code, 0, out.stderr);
    const [pod] = await ready(world, made, 2);
    assert.equal(await world.exec(pod as Pod, 'echo $WHAT'), 'new');
    await world.kubectl(['rollout', 'undo', target]);
    assert.equal((await world.kubectl(['rollout', 'status', target, '--timeout=140s'])).code, 0);
    const [again] = await ready(world, made, 2);
    assert.equal(await world.exec(again as Pod, 'echo $WHAT'), 'old');
  });

  whole('a deployment that cannot start keeps the old pods', async (world) => {
    const made = await workload(
      world,
      'deployments',
      {},
      { replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } },
    );
    const before = (await ready(world, made, 2)).map(({ metadata }) => metadata.uid);
    await world.kubectl(['set', 'image', `deployment/${made.metadata.name}`, 'main=no-such-image:1']);
    await waitFor('the new pod', async () => ((await podsOf(world, made)).length === 3 ? true : undefined));
    const now = await podsOf(world, made);
    assert.deepEqual(
      now
        .filter((pod) => isReady(pod))
        .map(({ metadata }) => metadata.uid)
        .sort(),
      before.sort(),
    );
  });

  quick('a pod of a deployment that is deleted is replaced', async (world) => {
    const made = await workload(world, 'deployments', {}, { replicas: 1 });
    const [first] = await ready(world, made, 1);
    await world.delete(first as Pod, 1);
    await waitFor('another', async () => {
      const pods = await podsOf(world, made);
      return pods.length === 1 && pods[0]?.metadata.uid !== first?.metadata.uid && isReady(pods[0] as Pod)
        ? true
        : undefined;
    });
  });

  quick('a daemon set has one pod on the node', async (world) => {
    const made = await workload(world, 'daemonsets', {}, {});
    await ready(world, made, 1);
  });

  quick('a stateful set numbers its pods, and they keep their names', async (world) => {
    const made = await workload(world, 'statefulsets', {}, { replicas: 2, serviceName: 'none' });
    const pods = await ready(world, made, 2);
    assert.deepEqual(pods.map(({ metadata }) => metadata.name).sort(), [
      `${made.metadata.name}-0`,
      `${made.metadata.name}-1`,
    ]);
    const first = pods.find(({ metadata }) => metadata.name.endsWith('-0')) as Pod;
    await world.delete(first, 1);
    await world.gone(first);
    await ready(world, made, 2);
    assert.equal(await world.exec(first, 'hostname'), first.metadata.name);
  });

  quick('a job completes', async (world) => {
    assert.equal(
      await jobEnds(world, await job(world, { run: 'sleep 1' }, { completions: 3, parallelism: 2 })),
      'Complete',
    );
  });

  quick('a job that fails is tried again, up to its limit', async (world) => {
    const made = await job(world, { run: 'exit 1' }, { backoffLimit: 1 });
    assert.equal(await jobEnds(world, made), 'Failed');
    assert.equal((await podsOf(world, made, 'job-name')).length, 2);
  });

  whole('a job restarts its container in place', async (world) => {
    const pods: PodSpec = {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        { run: 'echo x >>/v/n; [ $(wc -l </v/n) -ge 2 ]', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ],
    };
    assert.equal(await jobEnds(world, await job(world, pods)), 'Complete');
  });

  whole('a job with a sidecar completes', async (world) => {
    const made = await job(world, {
      run: 'sleep 1',
      initContainers: [{ name: 'side', restartPolicy: 'Always', run: RUN_ON }],
    });
    assert.equal(await jobEnds(world, made), 'Complete');
  });

  whole('a job of indexes', async (world) => {
    const made = await job(
      world,
      { run: '[ "$JOB_COMPLETION_INDEX" -lt 3 ]' },
      { completions: 3, parallelism: 3, completionMode: 'Indexed' },
    );
    assert.equal(await jobEnds(world, made), 'Complete');
  });

  whole('a job that takes too long is ended', async (world) => {
    assert.equal(await jobEnds(world, await job(world, {}, { activeDeadlineSeconds: 3 })), 'Failed');
  });

  whole('a job made from a cron job', async (world) => {
    const name = world.name('cron');
    await world.create(`/apis/batch/v1/namespaces/${world.namespace}/cronjobs`, {
      metadata: { name },
      spec: {
        schedule: '0 0 1 1 *',
        jobTemplate: { spec: { template: { spec: podSpec({ restartPolicy: 'Never', run: 'true' }) } } },
      },
    });
    await world.kubectl(['create', 'job', name, `--from=cronjob/${name}`]);
    assert.equal(
      await jobEnds(world, { metadata: { name, namespace: world.namespace, uid: '' } }),
      'Complete',
    );
  });

  whole('many pods at once', async (world) => {
    const made = await workload(world, 'deployments', {}, { replicas: 20 });
    const pods = await ready(world, made, 20);
    assert.equal(new Set(pods.map(({ status }) => status.podIP)).size, 20, 'each has an address of its own');
  });
});
