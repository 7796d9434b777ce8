import assert from 'node:assert/strict';
import { api, apiText, containerOf, isReady } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { NODE, cluster, kubeletSince } from '../support/cluster.js';
import { RUN_ON, subject, waitFor } from '../support/pod-case.js';
import type { PodCase } from '../support/pod-case.js';

const isV1 = cluster.cgroupVersion === 1;
/** Files with the limits as a container sees its own. */
const files = isV1
  ? {
      memory: '/sys/fs/cgroup/memory/memory.limit_in_bytes',
      quota: '/sys/fs/cgroup/cpu/cpu.cfs_quota_us',
      shares: '/sys/fs/cgroup/cpu/cpu.shares',
      pids: '/sys/fs/cgroup/pids/pids.max',
    }
  : {
      memory: '/sys/fs/cgroup/memory.max',
      quota: '/sys/fs/cgroup/cpu.max',
      shares: '/sys/fs/cgroup/cpu.weight',
      pids: '/sys/fs/cgroup/pids.max',
    };

/** Where systemd puts a slice: a-b-c.slice is a.slice/a-b.slice/a-b-c.slice. */
function folderOfSlice(name: string): string {
  const parts = name.replace(/\.slice$/, '').split('-');
  return parts.map((_, depth) => `${parts.slice(0, depth + 1).join('-')}.slice`).join('/');
}

interface Usage {
  readonly cpu?: { readonly usageNanoCores?: number; readonly usageCoreNanoSeconds?: number };
  readonly memory?: { readonly workingSetBytes?: number; readonly usageBytes?: number };
}
interface PodStats extends Usage {
  readonly podRef: { readonly uid: string };
  readonly containers?: readonly (Usage & {
    readonly name: string;
    readonly rootfs?: { readonly usedBytes?: number };
    readonly logs?: { readonly usedBytes?: number };
  })[];
  readonly network?: { readonly name?: string; readonly rxBytes?: number };
  readonly volume?: readonly { readonly name: string; readonly usedBytes?: number }[];
  readonly process_stats?: { readonly process_count?: number };
}
interface Summary {
  readonly node: Usage & {
    readonly runtime?: {
      readonly imageFs?: { readonly usedBytes?: number; readonly capacityBytes?: number };
    };
  };
  readonly pods: readonly PodStats[];
}

const summary = (): Promise<Summary> => api<Summary>('GET', `/api/v1/nodes/${NODE}/proxy/stats/summary`);

/** Waits until the pod is in the summary, with what this asks for. */
async function statsOf(pod: Pod, what: string, holds: (stats: PodStats) => boolean): Promise<PodStats> {
  return waitFor(what, async () =>
    (await summary()).pods.find(
      ({ podRef, ...stats }) => podRef.uid === pod.metadata.uid && holds({ podRef, ...stats }),
    ),
  );
}

async function resize(world: PodCase, pod: Pod, resources: object): Promise<void> {
  await api(
    'PATCH',
    `${world.path(pod)}/resize`,
    { spec: { containers: [{ name: 'main', resources }] } },
    'application/strategic-merge-patch+json',
  );
}

subject('resources', ({ quick, whole }) => {
  quick('limits are those of the container’s cgroup', async (world) => {
    const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '250m', memory: '64Mi' } };
    const output = await world.output(`cat ${files.memory} ${files.quota}`, { containers: [{ resources }] });
    assert.match(output, isV1 ? /^67108864\n25000$/ : /^67108864\n25000 100000$/);
  });

  quick('the pod’s own cgroup bounds it', async (world) => {
    const pod = await world.ready({
      containers: [{ run: RUN_ON, resources: { limits: { cpu: '100m', memory: '64Mi' } } }],
    });
    assert.equal(pod.status.qosClass, 'Guaranteed');
    const parent = await world.inspect(containerOf(pod), '{{.HostConfig.CgroupParent}}');
    const { uid } = pod.metadata;
    assert.equal(
      parent,
      cluster.driver === 'systemd'
        ? `kubepods-pod${uid.replaceAll('-', '_')}.slice`
        : `${cluster.cgroup}/kubepods/pod${uid}`,
    );
  });

  whole('classes of quality have cgroups of their own', async (world) => {
    const burstable = await world.ready({
      containers: [{ run: RUN_ON, resources: { requests: { cpu: '10m' } } }],
    });
    const effort = await world.ready();
    assert.deepEqual([burstable.status.qosClass, effort.status.qosClass], ['Burstable', 'BestEffort']);
    assert.match(
      await world.inspect(containerOf(burstable), '{{.HostConfig.CgroupParent}}'),
      /\/kubepods\/burstable\/pod|kubepods-burstable-pod/,
    );
    assert.match(
      await world.inspect(containerOf(effort), '{{.HostConfig.CgroupParent}}'),
      /\/kubepods\/besteffort\/pod|kubepods-besteffort-pod/,
    );
  });

  quick('one that takes more memory than its limit is OOMKilled', async (world) => {
    const pod = await world.ended(
      await world.pod({
        restartPolicy: 'Never',
        containers: [{ command: ['tail', '/dev/zero'], resources: { limits: { memory: '24Mi' } } }],
      }),
    );
    const ended = containerOf(pod)?.state.terminated;
    assert.deepEqual([ended?.reason, ended?.exitCode], ['OOMKilled', 137]);
  });

  whole('one whose child is killed for memory runs on', async (world) => {
    const pod = await world.ready({
      containers: [
        { run: `tail /dev/zero; echo killed; ${RUN_ON}`, resources: { limits: { memory: '24Mi' } } },
      ],
    });
    const status = await world.container(
      pod,
      'its state',
      ({ state, lastState }) => state.running !== undefined || lastState.terminated !== undefined,
    );
    assert.ok(status.state.running ?? status.lastState.terminated);
  });

  quick('the number of processes is bounded', async (world) => {
    const pod = await world.ready();
    const parent = await world.inspect(containerOf(pod), '{{.HostConfig.CgroupParent}}');
    const folder = cluster.driver === 'systemd' ? folderOfSlice(parent) : parent;
    const output = await world.output(`cat /host/${isV1 ? 'pids/' : ''}${folder}/pids.max`, {
      volumes: [{ name: 'v', hostPath: { path: '/sys/fs/cgroup' } }],
      containers: [{ volumeMounts: [{ name: 'v', mountPath: '/host', readOnly: true }] }],
    });
    assert.equal(output, '200');
  });

  quick('CPU and memory are resized without a restart', async (world) => {
    if (!kubeletSince(33)) return;
    const pod = await world.ready({
      containers: [
        {
          run: RUN_ON,
          resources: { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '200m', memory: '64Mi' } },
        },
      ],
    });
    await resize(world, pod, {
      requests: { cpu: '150m', memory: '48Mi' },
      limits: { cpu: '300m', memory: '96Mi' },
    });
    const status = await world.container(
      pod,
      'the new limits',
      ({ resources }) => resources?.limits?.['memory'] === '96Mi' && resources.limits['cpu'] === '300m',
    );
    assert.equal(status.restartCount, 0);
    assert.match(await world.exec(pod, `cat ${files.memory} ${files.quota}`), /^100663296\n30000/);
  });

  quick('a resize that asks for a restart gets one', async (world) => {
    if (!kubeletSince(33)) return;
    const pod = await world.ready({
      containers: [
        {
          run: RUN_ON,
          resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
          resources: { limits: { cpu: '200m', memory: '64Mi' } },
        },
      ],
    });
    await resize(world, pod, { requests: { memory: '96Mi' }, limits: { memory: '96Mi' } });
    await world.container(
      pod,
      'a restart with the new limit',
      ({ restartCount, resources }) => restartCount === 1 && resources?.limits?.['memory'] === '96Mi',
    );
    await world.until(pod, 'a ready pod', isReady);
    assert.equal(await world.exec(pod, `cat ${files.memory}`), '100663296');
  });

  whole('a resize that the node cannot give is told', async (world) => {
    if (!kubeletSince(33)) return;
    const pod = await world.ready({ containers: [{ run: RUN_ON, resources: { requests: { cpu: '10m' } } }] });
    await assert.rejects(resize(world, pod, { requests: { cpu: '1000' } }), /enough allocatable resources/);
    assert.equal(await world.exec(pod, 'echo untouched'), 'untouched');
  });

  whole('CPU is resized down', async (world) => {
    if (!kubeletSince(33)) return;
    const pod = await world.ready({
      containers: [{ run: RUN_ON, resources: { requests: { cpu: '100m' }, limits: { cpu: '400m' } } }],
    });
    await resize(world, pod, { limits: { cpu: '150m' } });
    await world.container(pod, 'the new limit', ({ resources }) => resources?.limits?.['cpu'] === '150m');
    assert.match(await world.exec(pod, `cat ${files.quota}`), /^15000/);
  });

  quick('what outgrows the limit of its emptyDir is evicted', async (world) => {
    const pod = await world.pod({
      volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
      containers: [
        {
          run: `head -c 3000000 /dev/zero >/v/big; exec sleep 4321`,
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      ],
    });
    const { status } = await world.until(pod, 'an eviction', ({ status: { phase } }) => phase === 'Failed');
    assert.equal(status.reason, 'Evicted');
    assert.match(status.message ?? '', /EmptyDir volume "v" exceeds the limit/);
  });

  quick('what writes more than its ephemeral storage is evicted', async (world) => {
    const pod = await world.pod({
      containers: [
        {
          run: `head -c 6000000 /dev/zero >/big; exec sleep 4321`,
          resources: { limits: { 'ephemeral-storage': '2Mi' } },
        },
      ],
    });
    const { status } = await world.until(pod, 'an eviction', ({ status: { phase } }) => phase === 'Failed');
    assert.equal(status.reason, 'Evicted');
    assert.match(status.message ?? '', /ephemeral/);
  });

  quick('/stats/summary tells of pods and containers', async (world) => {
    const pod = await world.ready({
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          run: `head -c 4000000 /dev/zero >/tmp/f; head -c 2000000 /dev/zero >/v/f; while :; do :; done`,
          resources: { limits: { cpu: '200m', memory: '64Mi' } },
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      ],
    });
    const stats = await statsOf(
      pod,
      'its figures',
      ({ cpu, containers, volume, network }) =>
        (cpu?.usageNanoCores ?? 0) > 0 &&
        (containers?.[0]?.rootfs?.usedBytes ?? 0) > 3_900_000 &&
        (volume?.some(({ name, usedBytes }) => name === 'v' && (usedBytes ?? 0) >= 2_000_000) ?? false) &&
        network !== undefined,
    );
    const [own] = stats.containers ?? [];
    assert.equal(own?.name, 'main');
    assert.ok((own.cpu?.usageCoreNanoSeconds ?? 0) > 0 && (own.memory?.workingSetBytes ?? 0) > 0);
    assert.ok((own.cpu?.usageNanoCores ?? 0) < 400_000_000, 'no more than its limit, by far');
    assert.ok((stats.memory?.workingSetBytes ?? 0) >= (own.memory?.workingSetBytes ?? 0) * 0.5);
  });

  quick('/stats/summary tells of the file system of images', async () => {
    const { node } = await summary();
    const fs = node.runtime?.imageFs;
    assert.ok(
      (fs?.usedBytes ?? 0) > 1_000_000 && (fs?.capacityBytes ?? 0) > (fs?.usedBytes ?? 0),
      JSON.stringify(fs),
    );
  });

  whole('/stats/summary forgets pods that have gone', async (world) => {
    const pod = await world.ready();
    await statsOf(pod, 'its figures', () => true);
    await world.delete(pod, 1);
    await world.gone(pod);
    await waitFor('its end', async () =>
      (await summary()).pods.some(({ podRef }) => podRef.uid === pod.metadata.uid) ? undefined : true,
    );
  });

  quick('/metrics/cadvisor and /metrics/resource know the container', async (world) => {
    const pod = await world.ready({
      run: 'while :; do :; done',
      containers: [{ run: 'while :; do :; done', resources: { limits: { cpu: '100m' } } }],
    });
    // Older kubelets tell at /metrics/resource of pods only, where the runtime gives the figures.
    const [ofResource, holder] = kubeletSince(36)
      ? ['container_cpu_usage_seconds_total', 'container="main"']
      : ['pod_cpu_usage_seconds_total', ''];
    for (const [target, metric, label] of [
      ['resource', ofResource, holder],
      ['cadvisor', 'container_memory_working_set_bytes', 'container="main"'],
    ] as const) {
      await waitFor(`${metric} of ${target}`, async () => {
        const text = await apiText('GET', `/api/v1/nodes/${NODE}/proxy/metrics/${target}`);
        return text
          .split('\n')
          .some(
            (line) =>
              line.startsWith(`${metric}{`) &&
              line.includes(`pod="${pod.metadata.name}"`) &&
              line.includes(label),
          )
          ? true
          : undefined;
      });
    }
  });
});
