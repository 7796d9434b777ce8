import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import type { ContainerInspect } from '../../../src/docker/types.js';
import { ContainerState } from '../../../src/gen/runtime/v1/ContainerState.js';
import { PodSandboxState } from '../../../src/gen/runtime/v1/PodSandboxState.js';
import type { Survey } from '../../../src/migrate/survey.js';
import { silentLogger } from '../../../src/util/log.js';
import {
  kubeletLabels,
  makeCriDockerdPod,
  type CriDockerdPod,
  type CriDockerdPodSpec,
} from '../../support/cri-dockerd-pod.js';
import {
  noEngine,
  startCridock,
  testDockerEndpoint,
  type CridockProcess,
} from '../../support/cridock-process.js';
import { added, leftovers, type Leftovers } from '../../support/leftovers.js';
import { RUN_ON, containerConfig, podConfig } from '../../support/pods.js';

const pluginDir = existsSync('/usr/lib/cni/bridge') ? '/usr/lib/cni' : '/opt/cni/bin';

/** Ports with the checksums that cri-dockerd itself wrote for them. */
const WEB = { ports: [{ protocol: 'tcp', container_port: 80, host_port: 8080 }], checksum: 3712672205 };
const NONE = { ports: [], checksum: 2305795928 };

const KINDS = [
  { name: 'binds', shape: 'binds', nameSuffix: '', ...WEB },
  { name: 'mounts', shape: 'mounts', nameSuffix: '', ...NONE },
  { name: 'renamed', shape: 'binds', nameSuffix: '_0a1b2c3d', ...NONE },
] as const;

describe('pods of cri-dockerd', { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  let cridock: CridockProcess;
  let atStart: Leftovers;
  const pods = new Map<string, { spec: CriDockerdPodSpec; pod: CriDockerdPod; made: ContainerInspect[] }>();

  const processOf = ({ State: state }: ContainerInspect) => ({ pid: state.Pid, startedAt: state.StartedAt });
  const inspectBoth = ({ sandboxId, containerId }: CriDockerdPod) =>
    Promise.all([sandboxId, containerId].map((id) => engine.inspectContainer(id)));

  before(async () => {
    cridock = await startCridock();
    await engine.negotiate();
    await cridock.kill9();
    atStart = await leftovers(engine, cridock);
    const networkList = readFileSync(path.join(cridock.directory, 'net.d/10-test.conflist'), 'utf8');
    for (const kind of KINDS) {
      const spec: CriDockerdPodSpec = {
        ...kind,
        ports: [...kind.ports],
        endpoint: testDockerEndpoint,
        image: 'busybox:latest',
        rootDirectory: path.join(cridock.directory, 'root'),
        cniCacheDir: path.join(cridock.directory, 'cni-cache'),
        networkList,
        pluginDir,
        directory: cridock.directory,
      };
      const pod = await makeCriDockerdPod(spec);
      pods.set(kind.name, { spec, pod, made: await inspectBoth(pod) });
    }
    await cridock.restart();
  });
  after(async () => {
    await cridock.stop();
    engine.close();
  });

  it('are what a migration says it will take over', async () => {
    const { directory } = cridock;
    const asked = promisify(execFile)(process.execPath, [
      path.join(import.meta.dirname, '../../../src/main.js'),
      ...['migrate', '--from', 'cri-dockerd', '--dry-run', '--json', '--docker-endpoint', testDockerEndpoint],
      ...['--cri-dockerd-root-directory', path.join(directory, 'root')],
      ...['--cni-cache-dir', path.join(directory, 'cni-cache')],
    ]);
    // Where no unit serves the node it fails, and tells what it found all the same.
    const { stdout } = await asked.catch((error: unknown) => error as { stdout: string });
    const { survey } = JSON.parse(stdout) as { survey: Survey };
    const found = survey.pods.filter(({ namespace }) => namespace === 'adopted');
    for (const { name, shape } of KINDS) {
      const { pod } = pods.get(name) ?? assert.fail(`no pod ${name}`);
      assert.deepEqual(
        found.find((one) => one.name === name),
        {
          namespace: 'adopted',
          name,
          sandboxId: pod.sandboxId,
          running: true,
          containers: [{ name: 'c', id: pod.containerId, running: true, shape, log: 'docker' }],
          remarks: [],
        },
      );
    }
  });

  for (const { name } of KINDS) {
    describe(`made with ${name}`, () => {
      const own = () => pods.get(name) ?? assert.fail(`no pod ${name}`);

      it('is listed with all that its names and labels tell', async () => {
        const { sandboxId, containerId } = own().pod;
        const { items } = await cridock.client.runtime.ListPodSandbox({ filter: { id: sandboxId } });
        assert.equal(items.length, 1);
        assert.deepEqual(items[0]?.metadata, {
          name,
          namespace: 'adopted',
          uid: `uid-${name}`,
          attempt: 3,
        });
        assert.equal(items[0].state, PodSandboxState.SANDBOX_READY);
        assert.deepEqual(items[0].labels, { ...kubeletLabels(name), app: 'adopted' });
        assert.deepEqual(items[0].annotations, { 'kubernetes.io/config.source': 'api' });
        const { containers } = await cridock.client.runtime.ListContainers({ filter: { id: containerId } });
        assert.deepEqual(containers[0]?.metadata, { name: 'c', attempt: 2 });
        assert.equal(containers[0].pod_sandbox_id, sandboxId);
        assert.equal(containers[0].state, ContainerState.CONTAINER_RUNNING);
        // Docker adds those of the image.
        const labels = Object.entries(containers[0].labels).filter(([key]) =>
          key.startsWith('io.kubernetes.'),
        );
        assert.deepEqual(Object.fromEntries(labels), {
          ...kubeletLabels(name),
          'io.kubernetes.container.name': 'c',
        });
        assert.deepEqual(containers[0].annotations, {
          'io.kubernetes.container.hash': 'b6a8c1d2',
          'io.kubernetes.container.restartCount': '2',
        });
      });

      it('is described', async () => {
        const { sandboxId, containerId, address, logPath, mountSource } = own().pod;
        const { status: sandbox } = await cridock.client.runtime.PodSandboxStatus({
          pod_sandbox_id: sandboxId,
        });
        assert.equal(sandbox?.network?.ip, address);
        const { status } = await cridock.client.runtime.ContainerStatus({ container_id: containerId });
        assert.equal(status?.log_path, logPath);
        assert.equal(status.resources?.linux?.memory_limit_in_bytes, '67108864');
        assert.deepEqual(
          status.mounts.map(({ host_path, container_path, readonly }) => ({
            host_path,
            container_path,
            readonly,
          })),
          [{ host_path: mountSource, container_path: '/mounted', readonly: true }],
        );
      });

      it('runs commands, with the network, host name, DNS and mounts that it had', async () => {
        const { containerId, address } = own().pod;
        const script = 'hostname; cat /mounted/file /etc/resolv.conf; ip -4 addr show dev eth0';
        const cmd = ['sh', '-c', script];
        const { stdout } = await cridock.client.runtime.ExecSync({ container_id: containerId, cmd });
        const text = stdout.toString();
        assert.match(text, new RegExp(`^${name}\nmounted\nnameserver 10.96.0.10\n`));
        assert.ok(text.includes(`inet ${address}/`), text);
      });

      it('was not restarted, and its log is where it was', async () => {
        const { pod, made } = own();
        const now = await inspectBoth(pod);
        assert.deepEqual(now.map(processOf), made.map(processOf));
        assert.ok(lstatSync(pod.logPath).isSymbolicLink());
        assert.match(readFileSync(pod.logPath, 'utf8'), /started/);
      });

      it('is stopped and removed, with nothing left of it', async () => {
        const { sandboxId, containerId, logPath } = own().pod;
        const { runtime } = cridock.client;
        await runtime.StopContainer({ container_id: containerId, timeout: '0' });
        await runtime.StopPodSandbox({ pod_sandbox_id: sandboxId });
        await runtime.RemoveContainer({ container_id: containerId });
        assert.equal(lstatSync(logPath, { throwIfNoEntry: false }), undefined);
        await runtime.RemovePodSandbox({ pod_sandbox_id: sandboxId });
        const mine = added(atStart, await leftovers(engine, cridock)).filter(
          (line) => line.includes(sandboxId) || line.includes(`uid-${name}`),
        );
        assert.deepEqual(mine, []);
      });
    });
  }

  it('leave nothing behind when all are gone', async () => {
    assert.deepEqual(added(atStart, await leftovers(engine, cridock)), []);
  });
});

describe("cridock's pods in cri-dockerd's data model", { skip: noEngine }, () => {
  const engine = new DockerodeEngine({ endpoint: testDockerEndpoint, env: {}, log: silentLogger });
  let cridock: CridockProcess;
  before(async () => {
    cridock = await startCridock({
      flags: ['--container-log-mode=symlink', '--container-log-driver=json-file'],
    });
    await engine.negotiate();
  });
  after(async () => {
    await cridock.stop();
    engine.close();
  });

  it('have its names, labels, joins, checkpoint, network record and log link', async () => {
    const { runtime } = cridock.client;
    const config = podConfig('model', cridock.directory, {
      port_mappings: [{ protocol: 0, container_port: 80, host_port: 8080 }],
    });
    const { pod_sandbox_id: sandboxId } = await runtime.RunPodSandbox({ config });
    const { container_id: containerId } = await runtime.CreateContainer({
      pod_sandbox_id: sandboxId,
      config: containerConfig('c', 'busybox:latest', RUN_ON),
      sandbox_config: config,
    });
    await runtime.StartContainer({ container_id: containerId });
    try {
      checkSandbox(await engine.inspectContainer(sandboxId));
      checkContainer(await engine.inspectContainer(containerId), sandboxId, cridock.directory);
      assert.equal(
        readFileSync(path.join(cridock.directory, 'root/sandbox', sandboxId), 'utf8'),
        '{"version":"v1","name":"model","namespace":"cridock-test","data":{"port_mappings":' +
          '[{"protocol":"tcp","container_port":80,"host_port":8080}]},"checksum":3712672205}',
      );
      checkNetworkRecord(cridock, sandboxId);
    } finally {
      await runtime.StopPodSandbox({ pod_sandbox_id: sandboxId });
      await runtime.RemovePodSandbox({ pod_sandbox_id: sandboxId });
    }
  });
});

function checkSandbox({ Name: name, Config, HostConfig }: ContainerInspect): void {
  assert.equal(name, '/k8s_POD_model_cridock-test_uid-model_0');
  assert.deepEqual(foreign(Config.Labels), {
    'annotation.kubernetes.io/config.seen': '2026-11-22T12:00:00.000000000Z',
    'annotation.kubernetes.io/config.source': 'api',
    'io.kubernetes.container.name': 'POD',
    'io.kubernetes.docker.type': 'podsandbox',
    'io.kubernetes.pod.name': 'model',
    'io.kubernetes.pod.namespace': 'cridock-test',
    'io.kubernetes.pod.uid': 'uid-model',
  });
  const { NetworkMode, IpcMode, CpuShares, ShmSize, Runtime, SecurityOpt, PortBindings } = HostConfig;
  assert.deepEqual(
    { NetworkMode, IpcMode, CpuShares, ShmSize, Runtime, PortBindings },
    {
      NetworkMode: 'none',
      IpcMode: 'shareable',
      CpuShares: 2,
      ShmSize: 67_108_864,
      Runtime: 'runc',
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
    },
  );
  assert.ok(SecurityOpt?.includes('no-new-privileges'));
}

function checkContainer(
  { Name: name, Config, HostConfig, LogPath }: ContainerInspect,
  sandboxId: string,
  directory: string,
): void {
  assert.equal(name, '/k8s_c_model_cridock-test_uid-model_0');
  const logPath = path.join(directory, 'logs/model/c/0.log');
  const labels = foreign(Config.Labels);
  assert.equal(labels['io.kubernetes.docker.type'], 'container');
  assert.equal(labels['io.kubernetes.sandbox.id'], sandboxId);
  assert.equal(labels['io.kubernetes.container.logpath'], logPath);
  assert.equal(labels['io.kubernetes.container.name'], 'c');
  assert.equal(labels['annotation.io.kubernetes.container.restartCount'], '0');
  assert.equal(HostConfig.NetworkMode, `container:${sandboxId}`);
  assert.equal(HostConfig.IpcMode, `container:${sandboxId}`);
  assert.deepEqual(Config.Healthcheck, { Test: ['NONE'] });
  assert.equal(readFileSync(logPath, 'utf8'), readFileSync(LogPath ?? '', 'utf8'));
  assert.ok(lstatSync(logPath).isSymbolicLink());
}

function checkNetworkRecord({ directory, bridge }: CridockProcess, sandboxId: string): void {
  const folder = path.join(directory, 'cni-cache/results');
  assert.ok(readdirSync(folder).includes(`${bridge}-${sandboxId}-eth0`));
  const record = JSON.parse(readFileSync(path.join(folder, `${bridge}-${sandboxId}-eth0`), 'utf8')) as Record<
    string,
    unknown
  >;
  assert.equal(record['kind'], 'cniCacheV1');
  assert.equal(record['containerId'], sandboxId);
  assert.equal(record['ifName'], 'eth0');
  assert.equal(record['networkName'], bridge);
  assert.ok(typeof record['result'] === 'object' && Array.isArray(record['cniArgs']));
  const list = Buffer.from(String(record['config']), 'base64').toString();
  assert.equal((JSON.parse(list) as { name: string }).name, bridge);
}

/** The labels that cri-dockerd knows: without cridock's own. */
function foreign(labels: ContainerInspect['Config']['Labels']): Record<string, string> {
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => !key.startsWith('io.cridock.')));
}
