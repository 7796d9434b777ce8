import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { containerBody } from '../../../../src/convert/container/container-body.js';
import type { ContainerBodyOptions } from '../../../../src/convert/container/container-body.js';
import { readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';
import { parseLabels } from '../../../../src/convert/text/labels.js';
import { sandboxFacts } from '../../../../src/convert/sandbox/sandbox-facts.js';
import type { ContainerInspect } from '../../../../src/docker/types.js';
import type { ContainerConfig } from '../../../../src/gen/runtime/v1/ContainerConfig.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { containerConfig } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const FIXTURES = join(import.meta.dirname, '../../../../../test/fixtures/inspect');
const sandboxInspect = inspected('cri-dockerd-sandbox');
const sandboxLabels = parseLabels(sandboxInspect.Config.Labels);
assert.ok(sandboxLabels);

const options: ContainerBodyOptions = {
  sandbox: {
    id: sandboxInspect.Id,
    identity: { name: 'p1', namespace: 'ns1', uid: 'uid-1', attempt: 0 },
    facts: sandboxFacts(sandboxLabels, sandboxInspect.HostConfig),
    inspect: sandboxInspect,
  },
  imageId: 'sha256:ce45',
  logPath: '/var/log/pods/p1/c1/0.log',
  imageUsers: { user: '', accounts: { passwd: '', group: '' } },
  own: {},
  supports: () => true,
  recursiveReadOnly: true,
  imageFiles: () => undefined,
  cgroupVersion: 1,
  hasSelinux: false,
  userNamespace: undefined,
  companion: {
    runtime: undefined,
    userNamespaces: false,
    features: readRuncFeatures(''),
    missing: 'not installed',
  },
  isCdiByEngine: true,
  minOomScoreAdj: 0,
};
const SECURITY = 'config.linux.security_context';

describe('containerBody', () => {
  it("makes what cri-dockerd's inspect shows, in a sandbox of cri-dockerd", () => {
    const made = inspected('cri-dockerd-container');
    const { name, body } = build({
      command: ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 1; done'],
      labels: { l1: 'v1' },
      annotations: { 'io.kubernetes.container.hash': 'abc' },
      linux: {
        resources: {
          cpu_period: 100_000,
          cpu_quota: 50_000,
          cpu_shares: 100,
          memory_limit_in_bytes: 67_108_864,
        },
        security_context: {},
      },
    });
    assert.equal(`/${name}`, made.Name);
    const own = { 'io.cridock.name': name, 'io.cridock.user': '0:0:0' };
    assert.deepEqual(body.Labels, { ...made.Config.Labels, ...own });
    assert.deepEqual(body.Entrypoint, made.Config.Entrypoint);
    assert.equal(body.Cmd, undefined);
    assert.deepEqual(body.Healthcheck, made.Config.Healthcheck);
    const members = [
      ...([
        'NetworkMode',
        'IpcMode',
        'PidMode',
        'UTSMode',
        'SecurityOpt',
        'Runtime',
        'CgroupParent',
      ] as const),
      ...([
        'CpuShares',
        'CpuPeriod',
        'CpuQuota',
        'Memory',
        'MemorySwap',
        'OomScoreAdj',
        'Privileged',
      ] as const),
    ];
    for (const member of members) assert.deepEqual(body.HostConfig[member], made.HostConfig[member], member);
    assert.equal(body.HostConfig.Init, false);
  });

  it('takes command, environment, streams and stop signal as asked', () => {
    const { body } = build({
      command: ['/bin/app'],
      args: ['-v'],
      working_dir: '/srv',
      envs: [
        { key: 'B', value: Buffer.from('1') },
        { key: 'A', value: Buffer.from('ü=') },
        { key: 'B', value: Buffer.from('2') },
      ],
      stdin: true,
      stdin_once: true,
      tty: true,
      stop_signal: 'SIGNAL_SIGRTMINPLUS3',
    });
    const { Entrypoint, Cmd, WorkingDir, Env, OpenStdin, StdinOnce, Tty, StopSignal } = body;
    assert.deepEqual([Entrypoint, Cmd, WorkingDir, Env], [['/bin/app'], ['-v'], '/srv', ['B=2', 'A=ü=']]);
    assert.deepEqual([OpenStdin, StdinOnce, Tty, StopSignal], [true, true, true, 'SIGRTMIN+3']);
  });

  it('joins the namespaces that are asked for', () => {
    const sandbox = `container:${sandboxInspect.Id}`;
    const modes = (namespace_options: object, change: Partial<ContainerBodyOptions> = {}) => {
      const config = containerConfig({ linux: { security_context: { namespace_options } } });
      const { NetworkMode, IpcMode, PidMode, UTSMode } = containerBody(config, { ...options, ...change }).body
        .HostConfig;
      return [NetworkMode, IpcMode, PidMode, UTSMode];
    };
    const { POD, CONTAINER, NODE, TARGET } = NamespaceMode;
    assert.deepEqual(modes({}), [sandbox, sandbox, sandbox, '']);
    assert.deepEqual(modes({ pid: CONTAINER }), [sandbox, sandbox, '', '']);
    assert.deepEqual(modes({ pid: NODE, ipc: NODE }), [sandbox, 'host', 'host', '']);
    assert.deepEqual(modes({ ipc: CONTAINER, pid: CONTAINER }), [sandbox, 'private', '', '']);
    const target = { pid: TARGET, target_id: 'ab' };
    assert.equal(modes(target, { targetContainerId: 'abcd' })[2], 'container:abcd');
    const hostPod = { sandbox: { ...options.sandbox, facts: { ...options.sandbox.facts, network: NODE } } };
    assert.deepEqual(modes({ network: NODE, pid: CONTAINER }, hostPod), [sandbox, sandbox, '', 'host']);
    assert.deepEqual(modes({ network: POD, pid: CONTAINER }, hostPod), [sandbox, sandbox, '', 'host']);

    const field = `${SECURITY}.namespace_options`;
    assertRefused(() => modes({ network: CONTAINER }), `${field}.network`);
    assertRefused(() => modes({ network: NODE }), `${field}.network`);
    assertRefused(() => modes({ ipc: TARGET }), `${field}.ipc`);
    assertRefused(() => modes({ pid: 42 }), `${field}.pid`);
    assertRefused(() => modes({ pid: TARGET }), `${field}.target_id`);
    assertRefused(() => modes(target), `${field}.target_id`, 'FAILED_PRECONDITION');
    assertRefused(() => modes({ userns_options: {} }), `${field}.userns_options.uids`);
    const mapping = [{ host_id: 1, container_id: 0, length: 1 }];
    assertRefused(
      () => modes({ userns_options: { uids: mapping, gids: mapping } }),
      `${field}.userns_options`,
    );
  });

  it('maps devices, and asks for CDI devices by name', () => {
    const { body } = build({
      devices: [
        { host_path: '/dev/kvm' },
        { host_path: '/dev/a', container_path: '/dev/b', permissions: 'r' },
      ],
      CDI_devices: [{ name: 'vendor.com/gpu=0' }, { name: 'vendor.com/gpu=all' }],
    });
    assert.deepEqual(body.HostConfig.Devices, [
      { PathOnHost: '/dev/kvm', PathInContainer: '/dev/kvm', CgroupPermissions: 'rwm' },
      { PathOnHost: '/dev/a', PathInContainer: '/dev/b', CgroupPermissions: 'r' },
    ]);
    assert.deepEqual(body.HostConfig.DeviceRequests, [
      { Driver: 'cdi', DeviceIDs: ['vendor.com/gpu=0', 'vendor.com/gpu=all'] },
    ]);
    assertRefused(() => build({ devices: [{ host_path: 'dev' }] }), 'config.devices[0].host_path');
    const wrong = { host_path: '/dev/a', permissions: 'x' };
    assertRefused(() => build({ devices: [wrong] }), 'config.devices[0].permissions');
    assertRefused(() => build({ CDI_devices: [{ name: 'gpu' }] }), 'config.CDI_devices[0].name');
    const old = { ...options, isCdiByEngine: false };
    const config = containerConfig({ CDI_devices: [{ name: 'vendor.com/gpu=0' }] });
    assertRefused(() => containerBody(config, old), 'config.CDI_devices[0].name', 'UNIMPLEMENTED');
  });

  it('asks for the CDI devices of annotations too, for each once', () => {
    const { body } = build({
      CDI_devices: [{ name: 'vendor.com/gpu=0' }],
      annotations: {
        'cdi.k8s.io/device-plugin_0': 'vendor.com/gpu=0,vendor.com/gpu=1',
        'cdi.k8s.io/other': 'vendor.com/nic=a',
        'example.com/cdi.k8s.io': 'no device',
      },
    });
    assert.deepEqual(body.HostConfig.DeviceRequests, [
      { Driver: 'cdi', DeviceIDs: ['vendor.com/gpu=0', 'vendor.com/gpu=1', 'vendor.com/nic=a'] },
    ]);
    const annotated = (value: string) => ({ annotations: { 'cdi.k8s.io/a': value } });
    const field = 'config.annotations["cdi.k8s.io/a"]';
    for (const value of ['', 'gpu', 'vendor.com/gpu=0,']) assertRefused(() => build(annotated(value)), field);
    const old = { ...options, isCdiByEngine: false };
    const config = containerConfig(annotated('vendor.com/gpu=0'));
    assertRefused(() => containerBody(config, old), field, 'UNIMPLEMENTED');
  });

  it('clamps and checks oom_score_adj', () => {
    const score = (oom_score_adj: number) =>
      build({ linux: { resources: { oom_score_adj } } }).body.HostConfig.OomScoreAdj;
    assert.equal(score(985), 985);
    assert.equal(score(-997), 0);
    assertRefused(() => score(1001), 'config.linux.resources.oom_score_adj');
  });

  it("takes the log driver that the caller chose, the daemon's by default", () => {
    const logConfig = { Type: 'local', Config: { 'max-size': '1m' } };
    assert.deepEqual(
      containerBody(containerConfig(), { ...options, logConfig }).body.HostConfig.LogConfig,
      logConfig,
    );
    assert.equal(build({}).body.HostConfig.LogConfig, undefined);
  });

  it('refuses what is missing or malformed', () => {
    assertRefused(() => build({ metadata: null }), 'config.metadata');
    assertRefused(() => build({ metadata: {} }), 'config.metadata.name');
    assertRefused(() => build({ image: null }), 'config.image');
    assertRefused(() => build({ image: {} }), 'config.image.image');
    assertRefused(() => build({ working_dir: 'tmp' }), 'config.working_dir');
    assertRefused(() => build({ command: ['a', '\0'] }), 'config.command[1]');
    assertRefused(() => build({ args: ['\0'] }), 'config.args[0]');
    assertRefused(() => build({ envs: [{ value: Buffer.from('v') }] }), 'config.envs[0].key');
    assertRefused(() => build({ envs: [{ key: 'a=b' }] }), 'config.envs[0].key');
    assertRefused(
      () => build({ envs: [{ key: 'a' }, { key: 'b', value: Buffer.from([0xff]) }] }),
      'config.envs[1].value',
    );
    assertRefused(() => build({ envs: [{ key: 'a', value: Buffer.from([0]) }] }), 'config.envs[0].value');
    assertRefused(() => build({ stop_signal: 99 as 0 }), 'config.stop_signal');
    assertRefused(() => build({ windows: {} }), 'config.windows');
  });
});

function build(change: ContainerConfig) {
  return containerBody(containerConfig(change), options);
}

function inspected(name: string): ContainerInspect {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as ContainerInspect;
}
