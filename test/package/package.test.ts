import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Finding } from '../../src/doctor/finding.js';
import { connectCri } from '../support/cri-client.js';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { ROOT, bootDebian, buildPackage, type DebianNode } from '../support/debian-node.js';
import { commandBlocks } from '../support/doc-commands.js';
import { dockerRequest } from '../support/docker-request.js';
import { until } from '../support/until.js';

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');

/** Blocks that .ci/run runs as steps of its own: they take long, or run this test. */
const RUN_ELSEWHERE = ['npm run quickstart', 'npm test', 'npm test -- package'];

describe('the Debian package', { skip: noEngine }, () => {
  let node: DebianNode;
  const onNode = (script: string): string => node.on(script);
  const isActive = (unit: string): boolean => node.isActive(unit);
  const mainPid = (): string => node.mainPid();
  /** True once the service runs again, as another process: in between it has the pid 0, which to `kill` means all. */
  const isAnother = (pid: string): boolean => {
    const now = mainPid();
    return now !== '0' && now !== pid && isActive('cri-docker.service');
  };

  before(() => {
    node = bootDebian(ENGINE_SOCKET);
  });
  after(() => node.halt());

  it('installs on a clean Debian, and works there without Node.js', () => {
    assert.equal(onNode('command -v node || true'), '');
    onNode('dpkg -i /root/cridock.deb');
    assert.match(onNode('cridock --version'), /^cridock \d+\.\d+\.\d+ \(\w+\)\n$/);
    assert.match(onNode('cri-dockerd --version'), /^cri-dockerd \d+\.\d+\.\d+ \(\w+\)\n$/);
    assert.match(onNode('cridock config print'), /^cniBinDir: .*config\.yaml: cniBinDir$/m);
    const findings = JSON.parse(onNode('cridock doctor --json || [ $? -eq 1 ]')) as Finding[];
    assert.ok(findings.some(({ check, level }) => check === 'engine' && level === 'ok'));
    for (const { level, remedy } of findings) assert.equal(remedy === '', level === 'ok');
    onNode('test -e /usr/share/man/man8/cridock.8.gz');
  });

  it('serves on the socket that systemd made, for root and the group docker', async () => {
    await until('the service', () => isActive('cri-docker.service'), 20_000);
    assert.equal(onNode("stat -c '%a %U %G' /run/cri-dockerd.sock").trim(), '660 root docker');
    const client = connectCri(node.criSocket());
    try {
      const { runtime_name: name } = await client.runtime.Version({ version: 'v1' }, { timeoutMs: 10_000 });
      assert.equal(name, 'docker');
    } finally {
      client.close();
    }
  });

  it('is a process of its name, which says its version first and goes last when memory is short', () => {
    assert.equal(onNode(`cat /proc/${mainPid()}/comm`).trim(), 'cridock');
    const [first] = onNode(`journalctl --no-pager -o cat _PID=${mainPid()}`).split('\n');
    assert.match(first ?? '', /msg="cridock starts" version=\d+\.\d+\.\d+/);
    assert.equal(onNode('systemctl show -P OOMScoreAdjust cri-docker.service').trim(), '-999');
    const { output } = node.tried('cridock doctor --docker-endpoint tcp://127.0.0.1:1');
    assert.match(output, /^failure +engine +Docker Engine at tcp:/m);
    assert.doesNotMatch(output, /DEP0|DeprecationWarning/);
  });

  it('shows its status, and writes a sysdump without a secret that is planted', async () => {
    const status = node.tried('cridock status');
    assert.equal(status.status, 1, 'there is no network yet');
    assert.match(status.output, /^● cridock \d.* not ready$/m);
    assert.match(status.output, /^ {2}✗ NetworkReady: /m);

    const planted = 'pl4nted-s3cret';
    onNode('mkdir -p /etc/cni/net.d /etc/systemd/system/cri-docker.service.d');
    onNode(
      `echo '{"cniVersion":"1.0.0","name":"x","apiToken":"${planted}","plugins":[]}' >/etc/cni/net.d/90-x.conflist`,
    );
    onNode(
      `printf '[Service]\\nEnvironment=API_TOKEN=${planted} HTTPS_PROXY=http://u:${planted}@p:1\\n' >/etc/systemd/system/cri-docker.service.d/env.conf; systemctl daemon-reload`,
    );
    const body = {
      Image: 'busybox:latest',
      Cmd: ['sh', '-c', `exit 3 # --password=${planted}`],
      Env: [`DATABASE=${planted}`],
      Labels: { 'io.kubernetes.docker.type': 'container', 'a-secret': planted },
    };
    const created = await dockerRequest(testDockerEndpoint, 'POST', '/containers/create', body);
    const { Id: id } = JSON.parse(created.body) as { Id: string };
    try {
      await dockerRequest(testDockerEndpoint, 'POST', `/containers/${id}/start`);
      await dockerRequest(testDockerEndpoint, 'POST', `/containers/${id}/wait`);
      onNode(
        'cd /tmp; cridock sysdump -o /tmp/dump.tar.gz; mkdir dump; tar -C dump --strip-components=1 -xzf dump.tar.gz',
      );
      assert.equal(onNode("stat -c '%a' /tmp/dump.tar.gz").trim(), '600');
      assert.equal(onNode(`grep -rl ${planted.slice(0, 7)} /tmp/dump || true`), '');
      const files = onNode('cd /tmp/dump; find . -type f').split('\n');
      const wanted = [
        'doctor.json',
        'config.yaml',
        'status.json',
        'journal.txt',
        'units.txt',
        'engine/info.json',
      ];
      for (const name of [
        ...wanted,
        'files/etc/cni/net.d/90-x.conflist',
        `containers/${id.slice(0, 13)}.json`,
      ]) {
        assert.ok(files.includes(`./${name}`), `${name} in ${files.join(' ')}`);
      }
      assert.match(onNode(`cat /tmp/dump/containers/${id.slice(0, 13)}.json`), /"DATABASE"/);
      assert.match(onNode('cat /tmp/dump/units.txt'), /Environment=API_TOKEN=\[redacted\] HTTPS_PROXY=/);
    } finally {
      await dockerRequest(testDockerEndpoint, 'DELETE', `/containers/${id}?force=true`);
      onNode(
        'rm -rf /tmp/dump /etc/cni/net.d/90-x.conflist /etc/systemd/system/cri-docker.service.d; systemctl daemon-reload',
      );
    }
  });

  it('completes commands and flags in bash', () => {
    const script =
      '. /usr/share/bash-completion/completions/cridock; COMP_WORDS=(cridock --cni-c); COMP_CWORD=1; _cridock; echo "${COMPREPLY[@]}"';
    assert.equal(onNode(script).trim(), '--cni-conf-dir --cni-cache-dir');
  });

  it('reloads, and says what changed', async () => {
    const pid = mainPid();
    const add = (line: string): string => `echo '${line}' >>/etc/cridock/config.yaml`;
    onNode(
      `${add('nonsense: 1')}; ! systemctl reload cri-docker; sed -i '/^nonsense/d' /etc/cridock/config.yaml`,
    );
    assert.equal(mainPid(), pid, 'settings that cannot be used fail the reload, and the service goes on');
    const told = () => onNode('journalctl --unit cri-docker --no-pager -o cat');
    const refused = /^ {2}\/etc\/cridock\/config\.yaml: nonsense: unknown key$/m;
    await until('the refusal in the log', () => refused.test(told()), 20_000);
    assert.doesNotMatch(told(), /^\{|"stack"|^ +at /m);
    onNode(`${add('logLevel: debug')}; systemctl reload cri-docker`);
    const reloaded = () =>
      onNode('journalctl --unit cri-docker --no-pager').includes('applied="logLevel: info -> debug"');
    await until('the line in the log', reloaded, 20_000);
    assert.equal(mainPid(), pid);
    onNode("sed -i '/^logLevel/d' /etc/cridock/config.yaml; echo '# ours' >>/etc/cridock/config.yaml");
  });

  it('comes back however often it is killed, and is ended by the watchdog when it hangs', async () => {
    for (let kill = 0; kill < 5; kill += 1) {
      const pid = mainPid();
      onNode(`kill -9 ${pid}`);
      await until('another process', () => isAnother(pid), 20_000);
    }
    onNode('mkdir -p /run/systemd/system/cri-docker.service.d');
    onNode("printf '[Service]\\nWatchdogSec=20\\n' >/run/systemd/system/cri-docker.service.d/watchdog.conf");
    onNode('systemctl daemon-reload; systemctl restart cri-docker.service');
    const pid = mainPid();
    onNode('sleep 45');
    assert.equal(mainPid(), pid, 'signs of life keep it running');
    onNode(`kill -STOP ${pid}`);
    await until('the watchdog', () => isAnother(pid), 60_000);
    onNode('rm /run/systemd/system/cri-docker.service.d/watchdog.conf; systemctl daemon-reload');
  });

  it("is started by minikube's drop-in and by kubespray's unit", async () => {
    const folder = path.join(node.root, 'etc/systemd/system/cri-docker.service.d');
    mkdirSync(folder, { recursive: true });
    copyFileSync(path.join(ROOT, 'deploy/minikube/10-cni.conf'), path.join(folder, '10-cni.conf'));
    onNode('systemctl daemon-reload; systemctl restart cri-docker.socket cri-docker.service');
    assert.match(
      onNode(`tr '\\0' ' ' </proc/${mainPid()}/cmdline`),
      /^\/usr\/bin\/cri-dockerd .*--hairpin-mode=hairpin-veth/,
    );
    rmSync(path.join(folder, '10-cni.conf'));
    onNode('systemctl daemon-reload; systemctl stop cri-docker.socket cri-docker.service');

    onNode('ln -s /usr/bin/cridock /usr/local/bin/cri-dockerd');
    const unit = path.join(node.root, 'etc/systemd/system/cri-dockerd.service');
    copyFileSync(path.join(ROOT, 'deploy/kubespray/cri-dockerd.service'), unit);
    copyFileSync(path.join(ROOT, 'deploy/kubespray/cri-dockerd.socket'), unit.replace('service', 'socket'));
    onNode('systemctl daemon-reload; systemctl start cri-dockerd.service');
    assert.ok(isActive('cri-dockerd.service'));
    onNode('test -S /run/cri-dockerd.sock; cridock status --json || [ $? -eq 1 ]');
    onNode('systemctl stop cri-dockerd.socket cri-dockerd.service');
    rmSync(unit);
    rmSync(unit.replace('service', 'socket'));
    onNode(
      'rm /usr/local/bin/cri-dockerd; systemctl daemon-reload; systemctl start cri-docker.socket cri-docker.service',
    );
    await until('the service', () => isActive('cri-docker.service'), 20_000);
  });

  it('is found where its socket unit listens', async () => {
    onNode('mkdir -p /etc/systemd/system/cri-docker.socket.d');
    onNode(
      "printf '[Socket]\\nListenStream=\\nListenStream=/run/elsewhere.sock\\n' >/etc/systemd/system/cri-docker.socket.d/path.conf",
    );
    onNode('systemctl daemon-reload; systemctl stop cri-docker.socket cri-docker.service');
    onNode('systemctl start cri-docker.socket cri-docker.service');
    const status = () => node.tried('cridock status').output;
    await until('the Engine to be found', () => status().includes('✓ RuntimeReady'), 60_000);
    assert.match(status(), /^endpoint +unix:\/\/\/run\/elsewhere\.sock$/m);
    onNode('rm -r /etc/systemd/system/cri-docker.socket.d; systemctl daemon-reload');
    onNode(
      'systemctl stop cri-docker.socket cri-docker.service; systemctl start cri-docker.socket cri-docker.service',
    );
    await until('the service', () => isActive('cri-docker.service'), 20_000);
  });

  it('takes over from another server by a drop-in, hands back to it, and gives up when it cannot start', () => {
    const started = () => node.started();
    const old = '/usr/local/bin/old-server';
    const useOld = (flags: string): void => {
      onNode(`printf '#!/bin/sh\\nsystemd-notify --ready\\nexec sleep infinity\\n' >${old}; chmod +x ${old}`);
      onNode('mkdir -p /etc/systemd/system/cri-docker.service.d');
      const lines = `[Service]\\nNotifyAccess=all\\nExecStart=\\nExecStart=${old} ${flags}\\n`;
      onNode(`printf '${lines}' >/etc/systemd/system/cri-docker.service.d/10-old.conf`);
      onNode('systemctl daemon-reload; systemctl restart cri-docker.service');
    };
    useOld('--container-runtime-endpoint fd:// --network-plugin=');
    assert.equal(started(), 'sleep infinity');
    const plan = onNode('cridock migrate --from cri-dockerd --dry-run');
    assert.match(plan, /^0 pods go on under cridock, 0 remarks, 0 left alone$/m);
    assert.match(
      plan,
      /^would: write \/etc\/systemd\/system\/cri-docker\.service\.d\/zz-cridock\.conf: \/usr\/bin\/cridock --container/m,
    );
    assert.equal(started(), 'sleep infinity', 'a dry run changes nothing');
    onNode('cridock migrate --from cri-dockerd');
    assert.equal(started(), '/usr/bin/cridock --container-runtime-endpoint fd:// --network-plugin=');
    assert.match(
      onNode('cridock migrate --from cri-dockerd'),
      /^nothing to switch: cridock serves by cri-docker\.service/m,
    );
    assert.match(onNode('cridock migrate --to cri-dockerd'), /^done: remove /m);
    assert.equal(started(), 'sleep infinity');

    useOld('--nonsense');
    const refused = onNode('cridock migrate --from cri-dockerd 2>&1 || [ $? -eq 1 ]');
    assert.match(
      refused,
      /^cannot: cridock cannot take the flags of cri-docker\.service: Unknown argument: nonsense/m,
    );
    assert.equal(started(), 'sleep infinity');
    useOld('--container-runtime-endpoint fd:// --metrics-bind-addr=192.0.2.1:1');
    assert.match(
      onNode('cridock migrate --from cri-dockerd 2>&1 || [ $? -eq 1 ]'),
      /the old service is back/,
    );
    assert.equal(started(), 'sleep infinity');
    onNode(`rm -r ${old} /etc/systemd/system/cri-docker.service.d; systemctl daemon-reload`);
    onNode('systemctl restart cri-docker.service');
  });

  it('is upgraded in place, with its settings kept', async () => {
    const newer = buildPackage('2');
    copyFileSync(newer, path.join(node.root, 'root/newer.deb'));
    const pid = mainPid();
    onNode('dpkg -i /root/newer.deb');
    await until('the new process', () => isAnother(pid), 20_000);
    assert.match(readFileSync(path.join(node.root, 'etc/cridock/config.yaml'), 'utf8'), /^# ours$/m);
    assert.match(onNode('dpkg-query -W cridock'), /-2$/m);
  });

  for (const { source, script } of commandBlocks(ROOT).filter(({ place }) => place === 'node')) {
    it(`runs the commands of ${source}`, () => void onNode(script));
  }

  it('is purged without a trace but for the group docker', () => {
    onNode('dpkg --purge cridock');
    const rest = onNode(
      'ls -d /etc/cridock /usr/bin/cri* /run/cri-dockerd.sock /lib/systemd/system/cri-docker* /var/lib/cri-dockerd 2>/dev/null || true',
    );
    assert.equal(rest, '');
    assert.doesNotMatch(onNode('systemctl list-units --all --no-pager'), /cri-docker.*(running|failed)/);
  });
});

describe('a fresh clone', { skip: noEngine }, () => {
  it('runs every command of the documentation', () => {
    const work = mkdtempSync(path.join(tmpdir(), 'cridock-clone-'));
    const clone = path.join(work, 'cridock');
    try {
      execFileSync('git', ['clone', '--quiet', ROOT, clone]);
      // Downloads are kept from one run to the next.
      mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
      symlinkSync(path.join(ROOT, '.cache'), path.join(clone, '.cache'));
      for (const { source, place, script } of commandBlocks(clone)) {
        if (place === 'node' || RUN_ELSEWHERE.includes(script.trim())) continue;
        const run = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
          cwd: clone,
          encoding: 'utf8',
          env: { ...process.env, CRIDOCK_PACKAGE_COMPRESSION: 'none', NODE_TEST_CONTEXT: '' },
          timeout: 300_000,
        });
        assert.equal(
          run.status,
          0,
          `${source}: ${script}\n${run.stdout.slice(-2000)}\n${run.stderr.slice(-2000)}`,
        );
      }
    } finally {
      rmSync(work, { recursive: true });
    }
  });
});
