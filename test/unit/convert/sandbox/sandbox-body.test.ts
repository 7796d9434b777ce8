import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sandboxBody, sandboxSeccompProfilePath } from '../../../../src/convert/sandbox/sandbox-body.js';
import type { SandboxBodyOptions } from '../../../../src/convert/sandbox/sandbox-body.js';
import type { ContainerInspect, HostConfig } from '../../../../src/docker/types.js';
import type { DNSConfig } from '../../../../src/gen/runtime/v1/DNSConfig.js';
import type { LinuxSandboxSecurityContext } from '../../../../src/gen/runtime/v1/LinuxSandboxSecurityContext.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import type { PodSandboxConfig } from '../../../../src/gen/runtime/v1/PodSandboxConfig.js';
import { Protocol } from '../../../../src/gen/runtime/v1/Protocol.js';
import { sandboxConfig } from '../decoded.js';
import { assertRefused } from '../refusals.js';
import { readRuncFeatures } from '../../../../src/convert/companion/runc-features.js';

const FIXTURE = join(import.meta.dirname, '../../../../../test/fixtures/inspect/cri-dockerd-sandbox.json');

const options: SandboxBodyOptions = {
  image: 'registry.k8s.io/pause:3.10',
  runtimeHandler: '',
  podNetworkMode: 'none',
  cgroupDriver: 'cgroupfs',
  networkAhead: false,
  companion: {
    runtime: undefined,
    userNamespaces: false,
    features: readRuncFeatures(''),
    missing: 'not installed',
  },
  minOomScoreAdj: -1000,
};

describe('sandboxBody', () => {
  it("makes what cri-dockerd's inspect shows, but for the log driver", () => {
    const made = JSON.parse(readFileSync(FIXTURE, 'utf8')) as ContainerInspect;
    const { name, body } = build({
      hostname: 'p1host',
      labels: { app: 'x', 'io.kubernetes.pod.name': 'p1' },
      annotations: { 'a.b/c': 'v' },
      linux: {
        cgroup_parent: '/crdres',
        security_context: { namespace_options: { pid: NamespaceMode.CONTAINER } },
      },
    });
    assert.equal(`/${name}`, made.Name);
    assert.equal(body.Image, made.Config.Image);
    assert.equal(body.Hostname, made.Config.Hostname);
    assert.deepEqual(body.Labels, { ...made.Config.Labels, 'io.cridock.name': name });
    const members = [
      ...([
        'NetworkMode',
        'IpcMode',
        'PidMode',
        'OomScoreAdj',
        'CpuShares',
        'SecurityOpt',
        'ShmSize',
      ] as const),
      ...(['CgroupParent', 'ReadonlyRootfs', 'AutoRemove', 'PortBindings'] as const),
    ];
    for (const member of members) assert.deepEqual(body.HostConfig[member], made.HostConfig[member], member);
    assert.deepEqual(body.HostConfig.LogConfig, { Type: 'none', Config: {} });
    assert.deepEqual(body.Healthcheck, { Test: ['NONE'] });
    assert.equal(body.HostConfig.Init, false);
    assert.equal(body.HostConfig.Runtime, undefined);
  });

  it('is made for the companion where its network may be set up ahead of its start', () => {
    const companion = { ...options.companion, runtime: 'io.containerd.cridock.v2' };
    const ahead = { ...options, companion, networkAhead: true };
    const runtimeOf = (change: PodSandboxConfig, how: SandboxBodyOptions = ahead) => {
      const { networkAhead, body } = sandboxBody(sandboxConfig(change), how);
      return [networkAhead, body.HostConfig.Runtime];
    };
    assert.deepEqual(runtimeOf({}), [true, companion.runtime]);
    const not = [false, undefined];
    assert.deepEqual(runtimeOf({}, { ...ahead, networkAhead: false }), not);
    assert.deepEqual(runtimeOf({}, { ...ahead, companion: options.companion }), not);
    assert.deepEqual(runtimeOf({}, { ...ahead, podNetworkMode: 'default' }), not);
    const inNode = { security_context: { namespace_options: { network: NamespaceMode.NODE } } };
    assert.deepEqual(runtimeOf({ linux: inNode }), not);
    // The kernel gives new interfaces what stands there, and plugins read it.
    assert.deepEqual(runtimeOf({ linux: { sysctls: { 'net/ipv6/conf/default/forwarding': '1' } } }), not);
    assert.deepEqual(runtimeOf({ linux: { sysctls: { 'kernel.shmmni': '1' } } }), [true, companion.runtime]);
  });

  it('asks for the lowest oom_score_adj that the host allows', () => {
    assert.equal(
      sandboxBody(sandboxConfig(), { ...options, minOomScoreAdj: 0 }).body.HostConfig.OomScoreAdj,
      0,
    );
  });

  it('keeps what Docker does not tell, as facts of its own', () => {
    const config = sandboxConfig({
      log_directory: '/var/log/pods/p1',
      linux: { security_context: { privileged: true } },
    });
    const { body } = sandboxBody(config, { ...options, runtimeHandler: 'crun' });
    assert.equal(body.HostConfig.Runtime, 'crun');
    assert.equal(body.HostConfig.Privileged, undefined);
    const labels = body.Labels ?? {};
    assert.equal(labels['io.cridock.runtime-handler'], 'crun');
    assert.equal(labels['io.cridock.log-directory'], '/var/log/pods/p1');
    assert.equal(labels['io.cridock.privileged'], 'true');
  });

  it('puts a pod into the namespaces of the host', () => {
    const mode = NamespaceMode.NODE;
    const { body } = build({
      linux: { security_context: { namespace_options: { network: mode, pid: mode, ipc: mode } } },
      port_mappings: [{ container_port: 80, host_port: 80 }],
    });
    const { NetworkMode, PidMode, IpcMode, PortBindings } = body.HostConfig;
    assert.deepEqual(
      { NetworkMode, PidMode, IpcMode, PortBindings },
      {
        NetworkMode: 'host',
        PidMode: 'host',
        IpcMode: 'host',
        PortBindings: {},
      },
    );
  });

  it('publishes host ports, and nothing for host port 0', () => {
    const { body } = build({
      port_mappings: [
        { container_port: 80, host_port: 8080 },
        { container_port: 80, host_port: 8081, host_ip: '127.0.0.1' },
        { container_port: 53, host_port: 53, protocol: Protocol.UDP },
        { container_port: 443 },
      ],
    });
    assert.deepEqual(body.HostConfig.PortBindings, {
      '80/tcp': [
        { HostIp: '', HostPort: '8080' },
        { HostIp: '127.0.0.1', HostPort: '8081' },
      ],
      '53/udp': [{ HostIp: '', HostPort: '53' }],
    });
    assert.deepEqual(body.ExposedPorts, { '80/tcp': {}, '53/udp': {} });
  });

  it('gives the pod its resolver settings, and nothing of the host beside them', () => {
    const dns = (dns_config: DNSConfig | null) => {
      const { Dns, DnsSearch, DnsOptions } = build({ dns_config }).body.HostConfig;
      return { Dns, DnsSearch, DnsOptions };
    };
    const unset = { Dns: undefined, DnsSearch: undefined, DnsOptions: undefined };
    assert.deepEqual(dns(null), unset);
    assert.deepEqual(dns({}), unset);
    assert.deepEqual(dns({ servers: ['10.96.0.10'], searches: ['a.svc', 'svc'], options: ['ndots:5'] }), {
      Dns: ['10.96.0.10'],
      DnsSearch: ['a.svc', 'svc'],
      DnsOptions: ['ndots:5'],
    });
    assert.deepEqual(dns({ servers: ['10.96.0.10'] }), {
      Dns: ['10.96.0.10'],
      DnsSearch: ['.'],
      DnsOptions: [''],
    });
    assertRefused(() => dns({ servers: ['10.96.0.10', 'dns'] }), 'config.dns_config.servers[1]');
    assertRefused(() => dns({ searches: ['a\nnameserver 1.1.1.1'] }), 'config.dns_config.searches[0]');
  });

  it('confines the pause process as asked', () => {
    const { body } = build({
      linux: {
        security_context: {
          run_as_user: { value: 1000 },
          run_as_group: { value: 2000 },
          supplemental_groups: [3000],
          supplemental_groups_policy: 'Strict',
          readonly_rootfs: true,
          selinux_options: { type: 't', level: 's0:c1,c2' },
          seccomp: { profile_type: 1 },
          apparmor: { profile_type: 2, localhost_ref: 'p' },
        },
      },
    });
    assert.equal(body.User, '1000:2000');
    assert.deepEqual(body.HostConfig.GroupAdd, ['3000']);
    assert.equal(body.HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(body.HostConfig.SecurityOpt, [
      'no-new-privileges',
      'label=type:t',
      'label=level:s0:c1,c2',
      'seccomp=unconfined',
      'apparmor=p',
    ]);
  });

  it("applies a local seccomp profile, from the caller's reading", () => {
    const seccomp = { profile_type: 2, localhost_ref: '/p.json' } as const;
    const config = sandboxConfig({ linux: { security_context: { seccomp } } });
    assert.equal(sandboxSeccompProfilePath(config), '/p.json');
    const text = '{"defaultAction":"SCMP_ACT_ALLOW"}';
    const { body } = sandboxBody(config, { ...options, seccompProfileText: text });
    assert.deepEqual(body.HostConfig.SecurityOpt, ['no-new-privileges', `seccomp=${text}`]);
  });

  it('takes the last component of the cgroup parent for the systemd driver', () => {
    const parent = (cgroup_parent: string, cgroupDriver: SandboxBodyOptions['cgroupDriver']) =>
      sandboxBody(sandboxConfig({ linux: { cgroup_parent } }), { ...options, cgroupDriver }).body.HostConfig
        .CgroupParent;
    assert.equal(parent('/kubepods.slice/kubepods-podx.slice', 'systemd'), 'kubepods-podx.slice');
    assert.equal(parent('/kubepods/podx', 'cgroupfs'), '/kubepods/podx');
    assert.equal(parent('', 'systemd'), '');
    assertRefused(() => parent('/kubepods/podx', 'systemd'), 'config.linux.cgroup_parent');
    assertRefused(() => parent('/kubepods/../x', 'cgroupfs'), 'config.linux.cgroup_parent');
  });

  it("refuses sysctls that would change the host's", () => {
    const build = (sysctls: Record<string, string>, namespace_options = {}): HostConfig['Sysctls'] =>
      sandboxBody(sandboxConfig({ linux: { sysctls, security_context: { namespace_options } } }), options)
        .body.HostConfig.Sysctls;
    const both = { 'net.core.somaxconn': '1', 'kernel.shmmax': '2' };
    assert.deepEqual(build(both), both);
    const network = { network: NamespaceMode.NODE };
    const ipc = { ipc: NamespaceMode.NODE };
    assert.deepEqual(build({ 'kernel.shmmax': '2' }, network), { 'kernel.shmmax': '2' });
    assertRefused(() => build(both, network), 'config.linux.sysctls["net.core.somaxconn"]');
    assertRefused(
      () => build({ 'net/core/somaxconn': '1' }, network),
      'config.linux.sysctls["net/core/somaxconn"]',
    );
    assertRefused(() => build(both, ipc), 'config.linux.sysctls["kernel.shmmax"]');
    assertRefused(
      () => build({ 'fs.mqueue.msg_max': '1' }, ipc),
      'config.linux.sysctls["fs.mqueue.msg_max"]',
    );
  });

  it('refuses what cannot be', () => {
    const context = (security_context: LinuxSandboxSecurityContext) => () =>
      build({ linux: { security_context } });
    const namespaces = 'config.linux.security_context.namespace_options';
    assertRefused(() => build({ metadata: null }), 'config.metadata');
    assertRefused(() => build({ hostname: 'h'.repeat(65) }), 'config.hostname');
    assertRefused(() => build({ log_directory: 'logs' }), 'config.log_directory');
    assertRefused(() => build({ windows: {} }), 'config.windows');
    assertRefused(
      context({ namespace_options: { network: NamespaceMode.CONTAINER } }),
      `${namespaces}.network`,
    );
    assertRefused(context({ namespace_options: { pid: NamespaceMode.TARGET } }), `${namespaces}.pid`);
    assertRefused(context({ namespace_options: { ipc: 42 as 0 } }), `${namespaces}.ipc`);
    const uids = [{ host_id: 1, container_id: 0, length: 1 }];
    assertRefused(
      context({ namespace_options: { userns_options: { mode: NamespaceMode.POD, uids, gids: uids } } }),
      `${namespaces}.userns_options`,
      'UNIMPLEMENTED',
    );
    context({ namespace_options: { userns_options: { mode: NamespaceMode.NODE } } })();
    assertRefused(context({ run_as_group: { value: 5 } }), 'config.linux.security_context.run_as_group');
  });
});

function build(change: PodSandboxConfig) {
  return sandboxBody(sandboxConfig(change), options);
}
