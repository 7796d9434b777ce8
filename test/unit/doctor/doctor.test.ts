import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../../src/cli/config.js';
import type { Config } from '../../../src/cli/config.js';
import { findingsText } from '../../../src/doctor/doctor.js';
import { checkEngine, checkLiveRestore } from '../../../src/doctor/engine-checks.js';
import type { Finding } from '../../../src/doctor/finding.js';
import {
  checkClock,
  checkOtherSockets,
  checkRivals,
  checkRootDirectory,
  checkTools,
} from '../../../src/doctor/host-checks.js';
import { checkKubelet, findKubelet } from '../../../src/doctor/kubelet-checks.js';
import {
  checkCgroupVersion,
  checkForwardPolicy,
  checkKernel,
  checkSwap,
} from '../../../src/doctor/kernel-checks.js';
import { checkUnit } from '../../../src/doctor/service-checks.js';
import type { EngineInfo } from '../../../src/docker/types.js';
import type { ServiceUnit } from '../../../src/unit/service-unit.js';
import { checkPodNetwork, checkSysctls } from '../../../src/doctor/network-checks.js';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { responseError } from '../../../src/docker/errors.js';
import { silentLogger } from '../../../src/util/log.js';
import { FakeEngine } from '../../support/fake-engine.js';

const DEFAULTS = loadConfig({ flags: new Map(), env: {}, configFiles: [] });

const INFO_OF_V1: EngineInfo = { ...(await new FakeEngine().info()), CgroupVersion: '1' };

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
    assert.equal(finding.remedy, 'systemctl start docker');
  });

  it('looks at what the Engine says of itself', async () => {
    const engine = new FakeEngine();
    const findings = await checkEngine(engine, DEFAULTS);
    assert.deepEqual(verdicts(findings), [
      'ok engine',
      'ok storage-driver',
      'ok log-driver',
      'warning live-restore',
      'ok engine-clock',
      'warning pause-image',
      'ok objects',
    ]);
    engine.addImage(DEFAULTS.podInfraContainerImage);
    assert.deepEqual(verdicts(await checkEngine(engine, DEFAULTS)).at(-2), 'ok pause-image');
  });

  it('names the containers that the Engine lists and cannot read', async (t) => {
    const engine = new FakeEngine();
    engine.addImage('pause:1');
    const labels = { 'io.kubernetes.docker.type': 'podsandbox' };
    const id = await engine.createContainer('k8s_POD_a_ns_uid_0', {
      Image: 'pause:1',
      Labels: labels,
      HostConfig: {},
    });
    t.mock.method(engine, 'inspectContainer', () => Promise.reject(responseError(500, 'no layer')));
    const finding = (await checkEngine(engine, DEFAULTS)).at(-1);
    assert.equal(finding?.level, 'warning');
    assert.ok(finding.message.includes(`${id}: no layer`));
  });

  it("holds the kubelet's cgroup driver and endpoint against the Engine's and ours", async () => {
    const info = await new FakeEngine().info();
    const other = info.CgroupDriver === 'systemd' ? 'cgroupfs' : 'systemd';
    const differs = file(
      'kubelet.yaml',
      `cgroupDriver: ${other}\ncontainerRuntimeEndpoint: unix:///run/x.sock\n`,
    );
    assert.deepEqual(verdicts(checkKubelet(await findKubelet(differs), info, DEFAULTS)), [
      'failure cgroup-driver',
      'warning kubelet-endpoint',
    ]);
    const agrees = file(
      'kubelet.yaml',
      `cgroupDriver: ${info.CgroupDriver}\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n`,
    );
    assert.deepEqual(verdicts(checkKubelet(await findKubelet(agrees), info, DEFAULTS)), [
      'ok cgroup-driver',
      'ok kubelet-endpoint',
    ]);
    const missing = await findKubelet('/nowhere');
    assert.deepEqual(verdicts(checkKubelet(missing, info, DEFAULTS)), ['failure kubelet-config']);
    const broken = checkKubelet(await findKubelet(file('broken.yaml', 'a: [')), info, DEFAULTS);
    assert.deepEqual(verdicts(broken), ['failure kubelet-config']);
    assert.match(broken[0]?.message ?? '', /is not YAML/);
    assert.match(broken[0]?.remedy ?? '', /^kubeadm /);
  });

  it("finds the kubelet's files where kubeadm puts them, and goes by the flag before the config", async () => {
    const info = await new FakeEngine().info();
    const configFile = file('usual.yaml', `cgroupDriver: ${info.CgroupDriver}\n`);
    const kubeadmFlags = file(
      'kubeadm-flags.env',
      'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/x.sock"',
    );
    const kubelet = await findKubelet(undefined, { configFile, kubeadmFlags });
    assert.deepEqual(verdicts(checkKubelet(kubelet, info, DEFAULTS)), [
      'ok cgroup-driver',
      'warning kubelet-endpoint',
    ]);
    const nowhere = { configFile: '/nowhere', kubeadmFlags: '/nowhere' };
    assert.deepEqual(verdicts(checkKubelet(await findKubelet(undefined, nowhere), info, DEFAULTS)), [
      'ok kubelet-config',
    ]);
  });

  it('knows kubelets that refuse cgroup v1 and swap', () => {
    const v1 = { ...INFO_OF_V1 };
    const level = (minor: number | undefined, failsOnV1: boolean | undefined) =>
      checkCgroupVersion(v1, { minor, failsOnV1, configPath: '/k' }).level;
    assert.deepEqual(
      [level(34, undefined), level(35, undefined), level(37, true), level(37, false)],
      ['ok', 'failure', 'failure', 'ok'],
    );
    assert.equal(level(undefined, undefined), 'ok');
    const swaps = 'Filename Type Size\n/swap file 1\n';
    assert.equal(checkSwap(swaps, undefined, true).level, 'failure');
    assert.equal(checkSwap(swaps, false, true).level, 'ok');
    assert.equal(checkSwap(swaps, undefined, false).level, 'ok');
    assert.equal(checkSwap('Filename Type Size\n', undefined, true).level, 'ok');
  });

  it("sees that Docker drops what pods send on, unless the network's chain lets it through", () => {
    assert.equal(checkForwardPolicy('-P FORWARD ACCEPT\n').level, 'ok');
    assert.equal(checkForwardPolicy('').level, 'ok');
    assert.equal(
      checkForwardPolicy('-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n').remedy,
      'iptables -P FORWARD ACCEPT',
    );
    assert.equal(checkForwardPolicy('-P FORWARD DROP\n-A FORWARD -j KUBE-FORWARD\n').level, 'ok');
  });

  it('tells what the kernel has', async () => {
    const texts = async (version: string) =>
      (await checkKernel(directory, version)).map(({ message }) => message).join();
    assert.match(await texts('5.18.0'), /cannot map the owners.*not measured/);
    assert.match(await texts('6.1.0-13-amd64'), /6\.1\.0-13-amd64 maps the owners/);
    file('pressure/cpu', '');
    assert.match(await texts('6.1.0'), /is measured/);
  });

  it('tells how live-restore is switched on in the daemon.json that there is', async () => {
    const info = { ...INFO_OF_V1, LiveRestoreEnabled: false };
    const run = async (text: string): Promise<unknown> => {
      const path = file('daemon.json', text);
      const { remedy } = await checkLiveRestore(info, path);
      execFileSync('sh', ['-c', remedy.replace(/ && systemctl .*/, '')]);
      return JSON.parse(readFileSync(path, 'utf8'));
    };
    assert.deepEqual(await run(''), { 'live-restore': true });
    assert.deepEqual(await run('{}'), { 'live-restore': true });
    assert.deepEqual(await run('{\n  "log-driver": "local"\n}\n'), {
      'live-restore': true,
      'log-driver': 'local',
    });
    assert.deepEqual(await run('{ "live-restore" : false }'), { 'live-restore': true });
    assert.equal((await checkLiveRestore({ ...info, LiveRestoreEnabled: true }, '/x')).level, 'ok');
  });

  it('gives an Engine that refuses, and one that is none, remedies of their own', async () => {
    const of = async (endpoint: string, dockerEndpoint = endpoint) => {
      const engine = new DockerodeEngine({ endpoint, env: {}, log: silentLogger });
      const [finding] = await checkEngine(engine, { ...DEFAULTS, dockerEndpoint });
      return finding?.remedy;
    };
    assert.equal(await of(`unix://${join(directory, 'no.sock')}`), 'systemctl start docker');
    assert.match(
      (await of(`unix://${join(directory, 'containerd.sock')}`)) ?? '',
      /unix:\/\/\/var\/run\/docker\.sock/,
    );
  });

  it('tells of a unit that is off, of another program, stale, or not started at boot, once each', () => {
    const unit: ServiceUnit = {
      name: 'cri-docker.service',
      path: '/lib/systemd/system/cri-docker.service',
      text: 'Requires=cri-docker.socket',
      execStart: undefined,
      words: ['/usr/bin/cridock'],
      env: {},
      starts: 'cridock',
      runs: 'cridock',
      isActive: true,
      activeState: 'active',
      fileState: 'enabled',
      needsReload: false,
      mainPid: 7,
      restarts: 0,
    };
    const of = (change: Partial<ServiceUnit>, group = true, otherUnits: ServiceUnit[] = []) => {
      const sources = { flags: new Map(), env: {}, configFiles: [] };
      const found = checkUnit(
        { unit: { ...unit, ...change }, otherUnits, sources, config: DEFAULTS, problems: [] },
        group,
      );
      assert.equal(found.length, 1);
      return `${found[0]?.level} ${found[0]?.check}: ${found[0]?.remedy}`;
    };
    assert.equal(of({}), 'ok service: ');
    const both = 'cri-docker.socket cri-docker.service';
    assert.equal(
      of({ isActive: false }),
      `failure service: systemctl enable ${both} && systemctl restart ${both}`,
    );
    assert.match(of({ isActive: false }, false), /^failure group: groupadd --system docker/);
    assert.equal(
      of({ starts: 'cri-dockerd', runs: 'cri-dockerd' }),
      'warning service: cridock migrate --from cri-dockerd',
    );
    assert.equal(
      of({ needsReload: true }),
      'warning service: systemctl daemon-reload && systemctl restart cri-docker.service',
    );
    assert.equal(of({ fileState: 'disabled' }), `warning service: systemctl enable ${both}`);
    assert.match(
      of({}, true, [{ ...unit, name: 'cri-dockerd.service' }]),
      /^failure service: systemctl disable --now cri-dockerd/,
    );
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
    assert.deepEqual(
      verdicts(await checkPodNetwork(config)),
      ['failure cni-config'],
      'the file is the cause',
    );
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
    assert.equal((await checkRivals(proc, undefined)).level, 'ok');
    mkdirSync(join(proc, '13'));
    symlinkSync('/usr/bin/cri-dockerd (deleted)', join(proc, '13/exe'));
    assert.match((await checkRivals(proc, undefined)).message, /pid 13/);
    assert.equal(
      (await checkRivals(proc, 13)).level,
      'ok',
      'the service of the node has a finding of its own',
    );
  });

  it('sees the sockets of other runtimes that serve CRI', async () => {
    const path = join(directory, 'containerd.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    const asked = (serves: boolean, ...paths: string[]) =>
      checkOtherSockets(paths, () => Promise.resolve(serves));
    assert.equal((await asked(true, path)).level, 'warning');
    assert.equal((await asked(false, path)).level, 'ok', "as Docker's containerd does");
    server.close();
    await once(server, 'close');
    assert.equal((await asked(true, path, join(directory, 'none.sock'))).level, 'ok');
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
