import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { HostConfig } from '../../../src/docker/types.js';
import { noEngine } from '../../support/cridock-process.js';
import { RUN_ON } from '../../support/pods.js';
import { refusal, TestNode, type TestPod } from '../../support/test-node.js';
import { until } from '../../support/until.js';

/** What `crictl inspect` shows of a container's log. */
interface LogInfo {
  logMode: string;
  logComplete: boolean;
  logProblem?: { reason: string; message: string };
}

/** Who writes a container's log, with which of the Engine's drivers, and what is told of a log that cannot be had. */
describe('how container logs are kept', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;

  before(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });
  after(() => node.close());

  it('by default: written by cridock, from a bounded copy of the Engine', async () => {
    const id = await node.create(pod, { run: 'echo one; echo two >&2' });
    await node.runtime.StartContainer({ container_id: id });
    const { log_path: log } = await node.ended(id);
    assert.deepEqual(textOf(log).split('\n').sort(), ['', 'stderr F two', 'stdout F one']);
    assert.equal(lstatSync(log).mode & 0o777, 0o640);
    assert.deepEqual(await infoOf(node, id).then(({ logMode, logComplete }) => [logMode, logComplete]), [
      'cri',
      true,
    ]);
    assert.deepEqual(await driverOf(node, id), {
      Type: node.engine.supports('1.42') ? 'local' : 'json-file',
      Config: { mode: 'blocking', 'max-size': '16m', 'max-file': '3', compress: 'false' },
    });
    await node.runtime.RemoveContainer({ container_id: id });
    assert.ok(existsSync(log), 'the log stays for the kubelet');
  });

  it('goes on in a new file where the old one was renamed while cridock was away, also when the container has ended', async () => {
    const folder = mkdtempSync(path.join(node.cridock.directory, 'go-'));
    const { id } = await node.start(pod, {
      run: 'echo one; until [ -e /go/now ]; do usleep 50000; done; echo two',
      mounts: [{ host_path: folder, container_path: '/go' }],
    });
    const { log_path: log } = await node.status(id);
    await until('the first line', () => textOf(log) === 'stdout F one\n');
    await node.cridock.kill9();
    renameSync(log, `${log}.20260101-000000`);
    writeFileSync(path.join(folder, 'now'), '');
    await until('its end', async () => !(await node.engine.inspectContainer(id)).State.Running);
    await node.cridock.restart();
    const reopen = () => node.runtime.ReopenContainerLog({ container_id: id });
    await reopen(); // else the kubelet would rename the old file back
    await until('all of its log', async () => (await infoOf(node, id)).logComplete);
    assert.deepEqual([textOf(`${log}.20260101-000000`), textOf(log)], ['stdout F one\n', 'stdout F two\n']);
    assert.equal((await refusal(reopen())).code, 'FAILED_PRECONDITION');
  });

  it('tells of a driver that cannot be read, while it exists; other logs are written', async () => {
    // As cridock makes containers with --container-log-driver=daemon where the Engine's own choice is `none`.
    const id = await makeContainer(node, pod.id, 'unreadable', {
      labels: { 'io.cridock.log-mode': 'cri' },
      logConfig: { Type: 'none', Config: {} },
    });
    await until(
      'cridock to know it',
      async () => (await node.runtime.ListContainers({ filter: { id } })).containers.length === 1,
    );
    await node.runtime.StartContainer({ container_id: id });
    await until('the problem', async () => !(await logsReady(node))[0]);
    assert.deepEqual(await logsReady(node), [false, 'DriverNotReadable']);
    const { logProblem } = await infoOf(node, id);
    assert.equal(logProblem?.reason, 'DriverNotReadable');
    assert.match(logProblem.message, /driver cannot be read/);
    const lines = node.cridock
      .log()
      .split('\n')
      .filter((line) => line.includes('DriverNotReadable'));
    assert.equal(lines.length, 1, 'told once');
    assert.match(lines[0] ?? '', new RegExp(`level=error .*containerId=${id}`));

    const other = await node.create(pod, { run: 'echo fine' });
    await node.runtime.StartContainer({ container_id: other });
    assert.equal(textOf((await node.ended(other)).log_path), 'stdout F fine\n');
    await node.runtime.RemoveContainer({ container_id: id });
    assert.deepEqual(await logsReady(node), [true, '']);
  });

  it('leaves the links of containers that cri-dockerd made', async () => {
    const directory = path.join(node.cridock.directory, 'adopted');
    const sandboxId = await makeSandbox(node);
    const id = await makeContainer(node, sandboxId, 'c1', { labels: {}, logDirectory: directory });
    await node.engine.startContainer(id);
    const { LogPath: target } = await node.engine.inspectContainer(id);
    const log = path.join(directory, 'c1', '0.log');
    mkdirSync(path.dirname(log), { recursive: true });
    symlinkSync(target ?? '', log);

    await node.cridock.restart();
    const { state, log_path: told } = await node.status(id);
    assert.deepEqual([state, told], [1, log]); // CONTAINER_RUNNING
    assert.equal((await infoOf(node, id)).logMode, 'symlink');
    assert.deepEqual(await logsReady(node), [true, '']);
    const { code, text } = await refusal(node.runtime.ReopenContainerLog({ container_id: id }));
    assert.equal(code, 'FAILED_PRECONDITION');
    assert.match(text, /not written by cridock/);
    assert.equal(readlinkSync(log), target, 'still the link');
    await until('its line', () => /"log":"adopted\\n"/.test(readFileSync(log, 'utf8')));

    await node.runtime.StopContainer({ container_id: id, timeout: 0 });
    assert.equal(readlinkSync(log), target, 'also when it has ended');
    await node.runtime.RemoveContainer({ container_id: id });
    assert.throws(() => lstatSync(log), { code: 'ENOENT' });
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: sandboxId });
  });
});

/** Each with the only cridock on the Engine: two would both write the logs. */
describe('how container logs are kept, by flags', { skip: noEngine }, () => {
  it('with flags: driver and bounds as told', async () => {
    const flags = [
      '--container-log-driver=json-file',
      '--container-log-max-size=500k',
      '--container-log-max-files=5',
    ];
    await withFlags(flags, async (on, id) => {
      assert.deepEqual(await driverOf(on, id), {
        Type: 'json-file',
        Config: { mode: 'blocking', 'max-size': '500k', 'max-file': '5', compress: 'false' },
      });
      assert.match(textOf((await on.status(id)).log_path), /stdout F one/);
    });
  });

  it("with --container-log-driver=daemon: as the Engine's own configuration has it", async () => {
    await withFlags(['--container-log-driver=daemon'], async (on, id) => {
      const { LoggingDriver: preset } = await on.engine.info();
      assert.deepEqual(await driverOf(on, id), { Type: preset, Config: {} });
      assert.match(textOf((await on.status(id)).log_path), /stdout F one/);
    });
  });

  it('with the driver journald, where the machine has a journal', async (t) => {
    if (!existsSync('/run/systemd/journal/socket')) {
      t.skip('no systemd-journald runs here');
      return;
    }
    await withFlags(['--container-log-driver=journald'], async (on, id) => {
      assert.equal((await driverOf(on, id))?.Type, 'journald');
      await until('a complete log', async () => (await infoOf(on, id)).logComplete, 20_000);
      const { log_path: log } = await on.status(id);
      assert.deepEqual(textOf(log).split('\n').sort(), ['', 'stderr F two', 'stdout F one']);
    });
  });

  it('with --container-log-mode=symlink: a link to the json-file, which cannot be rotated and goes with the container', async () => {
    await withFlags(['--container-log-mode=symlink'], async (on, id) => {
      const { log_path: log } = await on.status(id);
      assert.equal(readlinkSync(log), (await on.engine.inspectContainer(id)).LogPath);
      assert.match(readFileSync(log, 'utf8'), /"log":"one\\n"/);
      assert.equal((await infoOf(on, id)).logMode, 'symlink');
      await on.runtime.RemoveContainer({ container_id: id });
      assert.throws(() => lstatSync(log), { code: 'ENOENT' });
    });
  });

  it('tells of a link that would point nowhere, as with other drivers than json-file', async () => {
    await withFlags(['--container-log-mode=symlink', '--container-log-driver=local'], async (on, id) => {
      assert.equal((await infoOf(on, id)).logProblem?.reason, 'NothingToLink');
      assert.deepEqual(await logsReady(on), [false, 'NothingToLink']);
      assert.match(on.cridock.log(), /level=warn msg="no log for this container".*keeps no file to link/);
      await on.runtime.RemoveContainer({ container_id: id });
      assert.deepEqual(await logsReady(on), [true, '']);
    });
  });
});

async function infoOf(on: TestNode, id: string): Promise<LogInfo> {
  const { info } = await on.runtime.ContainerStatus({ container_id: id, verbose: true });
  return JSON.parse(info['info'] ?? '{}') as LogInfo;
}
async function logsReady(on: TestNode): Promise<[boolean, string]> {
  const { status } = await on.runtime.Status({});
  const condition = status?.conditions.find(({ type }) => type === 'ContainerLogsReady');
  return [condition?.status ?? false, condition?.reason ?? 'no such condition'];
}
const textOf = (log: string): string =>
  readFileSync(log, 'utf8')
    .split('\n')
    .map((line) => line.slice(31))
    .join('\n');
async function driverOf(on: TestNode, id: string): Promise<HostConfig['LogConfig']> {
  return (await on.engine.inspectContainer(id)).HostConfig.LogConfig;
}
/** Runs a command to its end on a cridock with these flags; its log, and what `inspect` looks at. */
async function withFlags(
  flags: string[],
  inspect: (on: TestNode, id: string) => Promise<void>,
): Promise<void> {
  const other = await TestNode.start(flags);
  try {
    const id = await other.create(await other.pod(), { run: 'echo one; echo two >&2' });
    await other.runtime.StartContainer({ container_id: id });
    await other.ended(id);
    await inspect(other, id);
  } finally {
    await other.close();
  }
}

const PAUSE_IMAGE = 'registry.k8s.io/pause:3.10';
const ADOPTED_POD = 'adopted_cridock-test_uid-adopted';

/** A sandbox as cri-dockerd makes it. */
async function makeSandbox({ engine }: TestNode): Promise<string> {
  const id = await engine.createContainer(`k8s_POD_${ADOPTED_POD}_0`, {
    Image: PAUSE_IMAGE,
    Labels: { 'io.kubernetes.docker.type': 'podsandbox', 'io.kubernetes.container.name': 'POD' },
    HostConfig: {
      NetworkMode: 'none',
      IpcMode: 'shareable',
      SecurityOpt: ['no-new-privileges'],
      CpuShares: 2,
    },
  });
  await engine.startContainer(id);
  return id;
}

interface MadeContainer {
  /** Beside those that tell pod and log. */
  labels: Record<string, string>;
  logDirectory?: string;
  /** The Engine's own choice when left out. */
  logConfig?: HostConfig['LogConfig'];
}

/** A container as cri-dockerd makes it, not started. It writes one line and runs on. */
async function makeContainer(
  { engine, image, cridock }: TestNode,
  sandboxId: string,
  name: string,
  { labels, logDirectory = path.join(cridock.directory, 'made'), logConfig }: MadeContainer,
): Promise<string> {
  return engine.createContainer(`k8s_${name}_${ADOPTED_POD}_0`, {
    Image: image,
    Entrypoint: ['sh', '-c', `echo adopted; ${RUN_ON}`],
    Labels: {
      'io.kubernetes.docker.type': 'container',
      'io.kubernetes.sandbox.id': sandboxId,
      'io.kubernetes.container.name': name,
      'io.kubernetes.container.logpath': path.join(logDirectory, name, '0.log'),
      'annotation.io.kubernetes.container.restartCount': '0',
      ...labels,
    },
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: `container:${sandboxId}`,
      IpcMode: `container:${sandboxId}`,
      RestartPolicy: { Name: 'no' },
      SecurityOpt: ['seccomp=unconfined'],
      ...(logConfig && { LogConfig: logConfig }),
    },
  });
}
