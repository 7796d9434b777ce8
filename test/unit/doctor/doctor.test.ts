import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../../src/cli/config.js';
import type { Config } from '../../../src/cli/config.js';
import { findingsText } from '../../../src/doctor/doctor.js';
import { checkEngine } from '../../../src/doctor/engine-checks.js';
import type { Finding } from '../../../src/doctor/finding.js';
import {
  checkClock,
  checkOtherSockets,
  checkRivals,
  checkRootDirectory,
  checkTools,
} from '../../../src/doctor/host-checks.js';
import { checkKubelet } from '../../../src/doctor/kubelet-checks.js';
import { checkPodNetwork, checkSysctls } from '../../../src/doctor/network-checks.js';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { silentLogger } from '../../../src/util/log.js';
import { FakeEngine } from '../../support/fake-engine.js';

const DEFAULTS = loadConfig({ flags: new Map(), env: {}, configFile: undefined });

/** As `failure cni-config`. */
function verdicts(findings: readonly Finding[]): string[] {
  return findings.map(({ level, check }) => `${level} ${check}`);
}

describe('doctor', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cridock-doctor-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  function file(path: string, text: string, mode = 0o644): string {
    const full = join(directory, path);
    mkdirSync(join(full, '..'), { recursive: true });
    writeFileSync(full, text);
    chmodSync(full, mode);
    return full;
  }

  it('says that the Engine does not answer, and how to find it', async () => {
    const endpoint = `unix://${join(directory, 'no.sock')}`;
    const engine = new DockerodeEngine({ endpoint, env: {}, log: silentLogger });
    const [finding] = await checkEngine(engine, DEFAULTS);
    assert.equal(finding?.level, 'failure');
    assert.match(finding.remedy, /--docker-endpoint/);
  });

  it('looks at what the Engine says of itself', async () => {
    const engine = new FakeEngine();
    const findings = await checkEngine(engine, DEFAULTS);
    assert.deepEqual(verdicts(findings), [
      'ok engine',
      'ok storage-driver',
      'ok log-driver',
      'ok engine-clock',
      'warning pause-image',
    ]);
    engine.addImage(DEFAULTS.podInfraContainerImage);
    assert.deepEqual(verdicts(await checkEngine(engine, DEFAULTS)).at(-1), 'ok pause-image');
  });

  it("holds the kubelet's cgroup driver and endpoint against the Engine's and ours", async () => {
    const info = await new FakeEngine().info();
    const other = info.CgroupDriver === 'systemd' ? 'cgroupfs' : 'systemd';
    const differs = file(
      'kubelet.yaml',
      `cgroupDriver: ${other}\ncontainerRuntimeEndpoint: unix:///run/x.sock\n`,
    );
    assert.deepEqual(verdicts(checkKubelet(differs, info, DEFAULTS)), [
      'failure cgroup-driver',
      'warning kubelet-endpoint',
    ]);
    const agrees = file(
      'kubelet.yaml',
      `cgroupDriver: ${info.CgroupDriver}\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n`,
    );
    assert.deepEqual(verdicts(checkKubelet(agrees, info, DEFAULTS)), [
      'ok cgroup-driver',
      'ok kubelet-endpoint',
    ]);
    assert.deepEqual(verdicts(checkKubelet('/nowhere', info, DEFAULTS)), ['failure kubelet-config']);
  });

  it('looks for a network, its plugins, and the plugins that these run', async () => {
    const config: Config = {
      ...DEFAULTS,
      cniConfDir: join(directory, 'net.d'),
      cniBinDirs: [join(directory, 'bin')],
    };
    assert.deepEqual(verdicts(await checkPodNetwork(config)), ['failure cni-config']);
    const plugin = { type: 'bridge', ipam: { type: 'host-local' } };
    file('net.d/10-a.conflist', JSON.stringify({ cniVersion: '1.0.0', name: 'a', plugins: [plugin] }));
    assert.deepEqual(verdicts(await checkPodNetwork(config)), ['failure cni-config', 'failure cni-config']);
    file('bin/bridge', '', 0o755);
    file('bin/host-local', '');
    assert.deepEqual(verdicts(await checkPodNetwork(config)), ['ok cni-config', 'failure cni-plugins']);
    file('bin/host-local', '', 0o755);
    assert.deepEqual(verdicts(await checkPodNetwork(config)), ['ok cni-config', 'ok cni-plugins']);
  });

  it('reads sysctls', async () => {
    const procSys = join(directory, 'sys');
    file('sys/net/ipv4/ip_forward', '0\n');
    const [forward, bridge] = await checkSysctls(procSys);
    assert.deepEqual([forward?.level, bridge?.level], ['failure', 'warning']);
    assert.match(forward?.remedy ?? '', /^sysctl -w net\.ipv4\.ip_forward=1/);
    assert.match(bridge?.remedy ?? '', /^modprobe br_netfilter/);
    file('sys/net/ipv4/ip_forward', '1\n');
    file('sys/net/bridge/bridge-nf-call-iptables', '1\n');
    assert.deepEqual(verdicts(await checkSysctls(procSys)), ['ok sysctl', 'ok sysctl']);
  });

  it('looks for programs on PATH', async () => {
    file('tools/nsenter', '', 0o755);
    assert.deepEqual(verdicts(await checkTools(`/nowhere:${join(directory, 'tools')}`)), [
      'ok tools',
      'warning tools',
    ]);
    assert.deepEqual(verdicts(await checkTools('')), ['failure tools', 'warning tools']);
  });

  it('wants a root directory that can be made', async () => {
    const rootDirectory = join(directory, 'not/yet');
    assert.equal((await checkRootDirectory({ ...DEFAULTS, rootDirectory })).level, 'ok');
    const belowFile = join(file('plain-file', ''), 'root');
    assert.equal((await checkRootDirectory({ ...DEFAULTS, rootDirectory: belowFile })).level, 'failure');
  });

  it('sees a cri-dockerd that runs, and is not taken in by its own alias', async () => {
    const proc = join(directory, 'proc');
    mkdirSync(join(proc, '12'), { recursive: true });
    symlinkSync('/usr/bin/cridock', join(proc, '12/exe'));
    assert.equal((await checkRivals(proc)).level, 'ok');
    mkdirSync(join(proc, '13'));
    symlinkSync('/usr/bin/cri-dockerd (deleted)', join(proc, '13/exe'));
    assert.match((await checkRivals(proc)).message, /pid 13/);
  });

  it('sees the sockets of other runtimes that answer', async () => {
    const path = join(directory, 'containerd.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    assert.equal((await checkOtherSockets([path])).level, 'warning');
    server.close();
    await once(server, 'close');
    assert.equal((await checkOtherSockets([path, join(directory, 'none.sock')])).level, 'ok');
  });

  it('does not believe a clock of 1970', async () => {
    assert.equal((await checkClock(0)).level, 'failure');
    assert.notEqual((await checkClock(Date.now())).level, 'failure');
  });

  it('prints a remedy below what needs one, and counts', () => {
    const findings: Finding[] = [
      { check: 'a', level: 'ok', message: 'is good', remedy: '' },
      { check: 'b', level: 'failure', message: 'is bad', remedy: 'mend it' },
    ];
    assert.equal(
      findingsText(findings),
      `ok       a                 is good
failure  b                 is bad
                           remedy: mend it
1 ok, 0 warnings, 1 failures`,
    );
  });
});
