import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Finding } from '../../src/doctor/finding.js';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { bootDebian, buildExecutable, type DebianNode } from '../support/debian-node.js';
import { podsOn } from '../support/node-pods.js';
import { installByHand, makeOldPackage, removeByHand, type OldServer } from '../support/old-node.js';
import { until } from '../support/until.js';

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const PODS = 10;
const DROP_IN = '/etc/systemd/system/cri-docker.service.d/zz-cridock.conf';
/** The three kinds of nodes that are not Debian's package: what an archive, an rpm and kubespray leave behind. */
const TGZ: OldServer = {
  bin: '/usr/local/bin',
  units: '/etc/systemd/system',
  name: 'cri-docker',
  flags:
    '--container-runtime-endpoint fd:// --network-plugin= --pod-infra-container-image=registry.k8s.io/pause:3.10',
};
const RPM: OldServer = { ...TGZ, bin: '/usr/bin', units: '/lib/systemd/system' };
const KUBESPRAY: OldServer = {
  ...TGZ,
  name: 'cri-dockerd',
  flags:
    '--container-runtime-endpoint unix:///var/run/cri-dockerd.sock --network-plugin= --pod-cidr=10.233.64.0/18',
};
/** Where an interrupted migration is cut off. */
const CUTS = ['before daemon-reload', 'after daemon-reload', 'before restart', 'after restart'];

describe('switching a node with running pods', { skip: noEngine }, () => {
  let node: DebianNode;
  const { run: runPods, fingerprint, ready: readyPods, remove: removePods } = podsOn(() => node);

  /** Findings that are not `ok`, as `warning service`. */
  function troubles(): string[] {
    const { output } = node.tried('cridock doctor --json');
    const findings = JSON.parse(output) as Finding[];
    return findings.filter(({ level }) => level !== 'ok').map(({ level, check }) => `${level} ${check}`);
  }

  before(() => {
    node = bootDebian(ENGINE_SOCKET);
    copyFileSync(buildExecutable(), path.join(node.root, 'root/cridock-executable'));
    chmodSync(path.join(node.root, 'root/cridock-executable'), 0o755);
    // In this folder `systemctl` ends who called it, and dpkg, before or after it does its work.
    const folder = path.join(node.root, 'root/cut');
    mkdirSync(folder);
    writeFileSync(
      path.join(folder, 'systemctl'),
      `#!/bin/sh
cut() {
  for process in /proc/[0-9]*; do
    case $(cat $process/comm 2>/dev/null) in dpkg) kill -9 \${process#/proc/} ;; esac
  done
  kill -9 $PPID
  exit 1
}
for verb; do case $verb in -*) ;; *) break ;; esac; done
[ "$CUT" != "before $verb" ] || cut
/usr/bin/systemctl "$@" || status=$?
[ "$CUT" != "after $verb" ] || cut
exit \${status:-0}
`,
    );
    chmodSync(path.join(folder, 'systemctl'), 0o755);
  });
  after(async () => {
    await removePods();
    node.halt();
  });
  afterEach(removePods);

  for (const [kind, old, program] of [
    ['an archive', TGZ, '/usr/bin/cridock'],
    ["kubespray's", KUBESPRAY, '/usr/bin/cridock'],
    ['an rpm', RPM, '/usr/local/bin/cridock'],
  ] as const) {
    it(`goes there and back on a node of ${kind}, also where it is cut off at any step`, async () => {
      const unit = `${old.name}.service`;
      const before = `${old.bin}/cri-dockerd ${old.flags}`;
      const now = `${program} ${old.flags}`;
      const migrate = (arguments_: string): string => `${program} migrate ${arguments_} 2>&1`;
      installByHand(node, old);
      await runPods(PODS);
      const pods = await fingerprint();
      try {
        if (program === '/usr/bin/cridock') {
          const pid = node.mainPid(unit);
          const said = node.on('dpkg -i /root/cridock.deb 2>&1');
          assert.match(
            said,
            new RegExp(`${unit} of this machine's own \\(.*\\) starts ${old.bin}/cri-dockerd, and goes on`),
          );
          assert.match(said, /cridock migrate --from cri-dockerd/);
          assert.equal(node.mainPid(unit), pid, 'the old server runs on');
          node.on('dpkg --remove cridock; dpkg -i /root/cridock.deb');
          assert.equal(node.mainPid(unit), pid, 'also when the package goes again');
          assert.ok(troubles().includes('warning service'), 'doctor tells of it');
        } else {
          node.on(`cp /root/cridock-executable ${program}`);
        }
        const plan = node.on(migrate('--from cri-dockerd --dry-run'));
        assert.match(plan, new RegExp(`^${PODS} pods go on under cridock`, 'm'));
        assert.ok(
          plan.includes(`unit: ${unit} (${old.units}/${unit}, enabled, active) starts: ${before}`),
          plan,
        );
        assert.equal(node.started(unit), before, 'a dry run changes nothing');

        node.on(migrate('--from cri-dockerd'));
        assert.equal(node.started(unit), now);
        assert.equal(await readyPods(), PODS);
        assert.match(node.on(migrate('--from cri-dockerd')), /^nothing to switch: cridock serves by /m);
        assert.ok(!troubles().some((one) => one.endsWith(' service')));
        node.on(migrate('--to cri-dockerd'));
        assert.equal(node.started(unit), before);
        assert.equal(await readyPods(), PODS);
        assert.match(node.on(migrate('--to cri-dockerd')), /^nothing to switch: cri-dockerd serves by /m);

        for (const cut of CUTS) {
          const { status } = node.tried(`PATH=/root/cut:$PATH CUT='${cut}' ${migrate('--from cri-dockerd')}`);
          assert.equal(status, 137, `cut off ${cut}`);
          // Every other time it is taken back instead.
          const isTakenBack = CUTS.indexOf(cut) % 2 === 1;
          node.on(migrate(isTakenBack ? '--to cri-dockerd' : '--from cri-dockerd'));
          assert.equal(node.started(unit), isTakenBack ? before : now, `after ${cut}`);
          if (isTakenBack) continue;
          const back = node.tried(`PATH=/root/cut:$PATH CUT='${cut}' ${migrate('--to cri-dockerd')}`);
          assert.equal(back.status, 137, back.output);
          node.on(migrate('--to cri-dockerd'));
          assert.equal(node.started(unit), before, `back after ${cut}`);
        }
        assert.equal(await readyPods(), PODS);
        node.on(migrate('--from cri-dockerd'));
        assert.equal(node.started(unit), now);
        // Who takes the program away means the switch too.
        if (program === '/usr/bin/cridock') node.on('dpkg --remove cridock');
        else node.on(migrate('--to cri-dockerd'));
        assert.equal(node.started(unit), before);
        assert.equal(await readyPods(), PODS);
        assert.equal(await fingerprint(), pods, 'no pod was restarted');
        assert.equal(node.on(`ls ${DROP_IN} 2>/dev/null || true`), '');
      } finally {
        node.tried('dpkg --purge cridock; rm -f /usr/local/bin/cridock');
        removeByHand(node, old);
      }
    });
  }

  it("takes the place of cri-dockerd's package, keeps the flags of its edited unit, and survives its purge", async () => {
    makeOldPackage(node);
    node.on('dpkg -i /root/cri-dockerd.deb');
    const edited =
      '--network-plugin= --pod-infra-container-image=registry.k8s.io/pause:3.10 --cri-dockerd-root-directory=/data/cri --nonsense=1';
    // The old program knows a flag that cridock does not: here it is told so after it has started.
    const unit = '/lib/systemd/system/cri-docker.service';
    node.on(`sed -i 's#fd://#fd:// ${edited.replace(' --nonsense=1', '')}#' ${unit}`);
    node.on('systemctl daemon-reload; systemctl restart cri-docker.socket cri-docker.service');
    node.on(`sed -i 's#/data/cri#/data/cri --nonsense=1#' ${unit}`);
    await runPods(PODS);
    const pods = await fingerprint();

    const said = node.on('dpkg -i /root/cridock.deb 2>&1');
    assert.match(
      said,
      /flags of the old unit .* are settings now, in \/etc\/cridock\/conf\.d\/50-from-cri-dockerd\.yaml/,
    );
    assert.match(said, /criDockerdRootDirectory: \/data\/cri/);
    assert.match(said, /Unknown to cridock, and left out: "--nonsense=1"/);
    assert.equal(node.started(), '/usr/bin/cridock --container-runtime-endpoint fd://');
    const config = node.on('cridock config print --service');
    assert.match(config, /^criDockerdRootDirectory: \/data\/cri # .*50-from-cri-dockerd\.yaml/m);
    assert.match(config, /^networkPlugin: "" # .*50-from-cri-dockerd\.yaml/m);
    assert.match(
      readFileSync(path.join(node.root, 'etc/cridock/replaced/cri-docker.service'), 'utf8'),
      /\/data\/cri/,
    );
    assert.equal(await readyPods(), PODS);

    node.on('dpkg --purge cri-dockerd');
    for (const name of ['cri-docker.socket', 'cri-docker.service']) {
      assert.equal(
        node.on(`systemctl is-enabled ${name}`).trim(),
        'enabled',
        `${name} is started at the next boot`,
      );
    }
    node.reboot();
    await until('the service after a reboot', () => node.isActive('cri-docker.service'), 60_000);
    assert.equal(node.started(), '/usr/bin/cridock --container-runtime-endpoint fd://');
    assert.equal(await readyPods(), PODS);
    assert.equal(await fingerprint(), pods, 'no pod was restarted');

    const back = node.tried('cridock migrate --to cri-dockerd');
    assert.equal(back.status, 1);
    assert.match(back.output, /^cannot: cri-dockerd is not installed here/m);
    node.on('apt-get install -qq -y /root/cri-dockerd.deb');
    assert.match(
      node.started(),
      /^\/usr\/bin\/cri-dockerd /,
      "cri-dockerd's package takes cridock's place again",
    );
    assert.equal(await fingerprint(), pods, 'no pod was restarted');
    node.on('dpkg --purge cridock cri-dockerd');
  });

  for (const cut of ['after stop', 'before daemon-reload', 'before restart']) {
    it(`takes that place also where dpkg is killed ${cut}, and is run again`, async () => {
      makeOldPackage(node);
      node.on('dpkg -i /root/cri-dockerd.deb');
      const edited =
        '--network-plugin= --pod-infra-container-image=registry.k8s.io/pause:3.10 --cri-dockerd-root-directory=/data/cut';
      node.on(`sed -i 's#fd://#fd:// ${edited}#' /lib/systemd/system/cri-docker.service`);
      node.on('systemctl daemon-reload; systemctl restart cri-docker.socket cri-docker.service');
      await runPods(2);
      const pods = await fingerprint();
      const { status, output } = node.tried(`PATH=/root/cut:$PATH CUT='${cut}' dpkg -i /root/cridock.deb`);
      assert.notEqual(status, 0, output);
      node.on('dpkg -i /root/cridock.deb');
      assert.equal(node.started(), '/usr/bin/cridock --container-runtime-endpoint fd://');
      assert.match(node.on('cridock config print --service'), /^criDockerdRootDirectory: \/data\/cut #/m);
      assert.equal(await readyPods(), 2);
      assert.equal(await fingerprint(), pods, 'no pod was restarted');
      node.on('dpkg --purge cridock cri-dockerd; dpkg --audit');
    });
  }

  it('does not restart what runs when the settings of an upgrade cannot be used', () => {
    node.on('dpkg -i /root/cridock.deb');
    const pid = node.mainPid();
    node.on("echo 'nonsense: 1' >>/etc/cridock/config.yaml");
    const { status, output } = node.tried('dpkg -i /root/cridock.deb');
    assert.notEqual(status, 0);
    assert.match(output, /config\.yaml: nonsense: unknown key/);
    assert.equal(node.mainPid(), pid);
    // A restart by hand fails once, and for good.
    assert.notEqual(node.tried('systemctl restart cri-docker.service').status, 0);
    assert.equal(node.on('systemctl show -P SubState cri-docker.service').trim(), 'failed');
    node.on("sed -i '/^nonsense/d' /etc/cridock/config.yaml; dpkg --configure cridock");
    assert.ok(node.isActive('cri-docker.service'));
    node.on('dpkg --purge cridock');
  });
});
