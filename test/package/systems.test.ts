import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectCri } from '../support/cri-client.js';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { bootDebian, buildPackage, type DebianNode, type NodeSystem } from '../support/debian-node.js';
import { podsOn } from '../support/node-pods.js';
import { installByHand, makeOldPackage, makeOldRpm, type OldServer } from '../support/old-node.js';
import { until } from '../support/until.js';

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const OWN = '/usr/bin/cridock --container-runtime-endpoint fd://';
/** What a tool that lists files must not find once all is gone. */
const TRACES =
  'ls -d /etc/cridock /usr/bin/cri* /usr/local/bin/cri* /usr/libexec/cridock /usr/share/cridock /run/cri-dockerd.sock /run/cridock-* /usr/lib/systemd/system/cri-docker* /usr/local/lib/systemd/system/cri-docker* /etc/systemd/system/cri-docker* /etc/systemd/system/*/cri-docker* /var/lib/cri-dockerd 2>/dev/null || true';

interface System {
  readonly name: string;
  readonly system: NodeSystem;
  readonly format: 'deb' | 'rpm';
  /** Commands of the system, for a file of a package. */
  readonly install: string;
  readonly upgrade: string;
  readonly purge: string;
  /** Puts cridock in cri-dockerd's place, and back. */
  readonly replace: string;
  readonly putBack: string;
  readonly makeOld: (node: DebianNode) => void;
}

const DEB = {
  format: 'deb',
  install: 'dpkg -i /root/cridock.deb',
  upgrade: 'dpkg -i /root/newer',
  purge: 'dpkg --purge cridock',
  replace: 'dpkg -i /root/cridock.deb',
  putBack: 'apt-get install -qq -y /root/cri-dockerd.deb',
} as const;

const SYSTEMS: readonly System[] = [
  { ...DEB, name: 'Debian 13', system: 'trixie', makeOld: (node) => makeOldPackage(node) },
  {
    ...DEB,
    name: "Ubuntu's layout",
    system: 'ubuntu',
    // Newer debhelpers put units there.
    makeOld: (node) => makeOldPackage(node, '/usr/lib/systemd/system'),
  },
  {
    name: 'an Enterprise Linux 9',
    system: 'el',
    format: 'rpm',
    install:
      'dnf install -q -y /root/cridock.rpm; systemctl enable --now cri-docker.socket cri-docker.service',
    upgrade: 'dnf upgrade -q -y /root/newer',
    purge: 'dnf remove -q -y cridock',
    replace: 'dnf swap -q -y cri-dockerd /root/cridock.rpm 2>&1',
    putBack: 'dnf swap -q -y cridock /root/cri-dockerd.rpm 2>&1',
    makeOld: makeOldRpm,
  },
];

for (const { name, system, format, install, upgrade, purge, replace, putBack, makeOld } of SYSTEMS) {
  describe(`on ${name}`, { skip: noEngine }, () => {
    let node: DebianNode;
    const pods = podsOn(() => node);

    /** The runtime that answers on the kubelet's socket, which root and the group docker may use. */
    async function runtime(): Promise<string> {
      await until('the service', () => node.isActive('cri-docker.service'), 60_000);
      assert.equal(node.on("stat -c '%a %U %G' /run/cri-dockerd.sock").trim(), '660 root docker');
      const client = connectCri(node.criSocket());
      try {
        return (await client.runtime.Version({ version: 'v1' }, { timeoutMs: 30_000 })).runtime_name;
      } finally {
        client.close();
      }
    }
    const enabled = (): string =>
      node
        .on('systemctl is-enabled cri-docker.socket cri-docker.service || true')
        .replace(/\s+/g, ' ')
        .trim();

    before(() => {
      node = bootDebian(ENGINE_SOCKET, { system });
      copyFileSync(buildPackage('2', format), path.join(node.root, 'root/newer'));
      copyFileSync(buildPackage('1', 'tgz'), path.join(node.root, 'root/cridock.tgz'));
      node.on(
        'mkdir -p /etc/cridock/conf.d; echo \'{apiVersion: config.cridock.io/v1, kind: CridockConfiguration, networkPlugin: ""}\' >/etc/cridock/conf.d/10-test.yaml',
      );
    });
    after(async () => {
      await pods.remove();
      node.halt();
    });

    it('installs, and serves', async () => {
      node.on(install);
      assert.equal(node.started(), OWN);
      assert.equal(await runtime(), 'docker');
      assert.equal(enabled(), 'enabled enabled');
      await pods.run(2);
      assert.equal(await pods.ready(), 2);
    });

    it('is upgraded while pods run, and keeps its settings', async () => {
      const [pid, before] = [node.mainPid(), await pods.fingerprint()];
      node.on("echo '# ours' >>/etc/cridock/config.yaml");
      node.on(
        upgrade.replace('newer', `newer.${format}`).replace(/^/, `mv /root/newer /root/newer.${format}; `),
      );
      await until('another process', () => !['0', pid].includes(node.mainPid()), 60_000);
      assert.equal(await runtime(), 'docker');
      assert.match(node.on('cat /etc/cridock/config.yaml'), /^# ours$/m);
      assert.equal(await pods.ready(), 2);
      assert.equal(await pods.fingerprint(), before, 'no pod was restarted');
      assert.equal(enabled(), 'enabled enabled');
    });

    it('is taken away without a trace but for what was changed', async () => {
      await pods.remove();
      node.on(purge);
      assert.equal(
        node.on(
          `rm -rf /etc/cridock/conf.d/10-test.yaml /etc/cridock/config.yaml.rpmsave; rmdir /etc/cridock/conf.d /etc/cridock 2>/dev/null || true; ${TRACES}`,
        ),
        '',
      );
      assert.doesNotMatch(node.on('systemctl list-units --all --no-pager'), /cri-docker.*(running|failed)/);
    });

    it("takes the place of cri-dockerd's package while pods run, with its flags, and hands it back", async () => {
      makeOld(node);
      const edited =
        '--network-plugin= --pod-infra-container-image=registry.k8s.io/pause:3.10 --cri-dockerd-root-directory=/data/cri';
      const unit = '/usr/lib/systemd/system/cri-docker.service';
      node.on(format === 'deb' ? 'dpkg -i /root/cri-dockerd.deb' : 'dnf install -q -y /root/cri-dockerd.rpm');
      node.on(
        `sed -i 's#fd://#fd:// ${edited}#' ${unit}; systemctl daemon-reload; systemctl enable cri-docker.socket cri-docker.service; systemctl restart cri-docker.socket cri-docker.service`,
      );
      assert.match(node.started(), /^\/usr\/bin\/cri-dockerd /);
      await pods.run(2);
      const before = await pods.fingerprint();

      node.on(replace);
      assert.equal(node.started(), OWN);
      assert.equal(enabled(), 'enabled enabled');
      assert.match(
        node.on('cridock config print --service'),
        /^criDockerdRootDirectory: \/data\/cri # .*50-from-cri-dockerd\.yaml/m,
      );
      assert.equal(await pods.ready(), 2);
      assert.equal(await pods.fingerprint(), before, 'no pod was restarted');

      node.on(putBack);
      assert.match(node.started(), /^\/usr\/bin\/cri-dockerd /);
      assert.equal(enabled(), 'enabled enabled');
      assert.equal(await pods.fingerprint(), before, 'no pod was restarted');
      node.on(
        format === 'deb'
          ? 'dpkg --purge cri-dockerd cridock'
          : 'dnf remove -q -y cri-dockerd; rm -rf /etc/cridock /data',
      );
      await pods.remove();
    });

    it('installs from the archive, is upgraded, and taken away', async () => {
      node.on('cd /root; tar -xzf cridock.tgz; mkdir -p /etc/cridock/conf.d');
      node.on(
        'echo \'{apiVersion: config.cridock.io/v1, kind: CridockConfiguration, networkPlugin: ""}\' >/etc/cridock/conf.d/10-test.yaml',
      );
      node.on('/root/cridock-*/install.sh');
      const own = OWN.replace('/usr/bin', '/usr/local/bin');
      assert.equal(node.started(), own);
      assert.equal(await runtime(), 'docker');
      await pods.run(2);
      const [pid, before] = [node.mainPid(), await pods.fingerprint()];
      node.on('/root/cridock-*/install.sh');
      assert.notEqual(node.mainPid(), pid);
      assert.equal(await pods.ready(), 2);
      assert.equal(await pods.fingerprint(), before, 'no pod was restarted');
      assert.match(node.on('man -w cridock'), /^\/usr\/local\/.*\/cridock\.8\.gz$/m);
      await pods.remove();
      node.on('rm /etc/cridock/conf.d/10-test.yaml; /usr/local/share/cridock/install.sh --purge');
      assert.equal(node.on(`${TRACES}; find /usr/local -name '*cri*'`), '');
    });

    it('leaves a cri-dockerd that came as an archive alone, until it is asked to switch', async () => {
      const old: OldServer = {
        bin: '/usr/local/bin',
        units: '/etc/systemd/system',
        name: 'cri-docker',
        flags: '--container-runtime-endpoint fd:// --network-plugin=',
      };
      installByHand(node, old);
      const said = node.on('/root/cridock-*/install.sh 2>&1');
      assert.match(
        said,
        /cri-docker\.service of this machine's own .* starts \/usr\/local\/bin\/cri-dockerd, and goes on/,
      );
      assert.match(node.started(), /^\/usr\/local\/bin\/cri-dockerd /);
      await pods.run(1);
      const before = await pods.fingerprint();
      node.on('cridock migrate --from cri-dockerd');
      assert.match(node.started(), /^\/usr\/local\/bin\/cridock /);
      node.on('/usr/local/share/cridock/install.sh --purge');
      assert.match(node.started(), /^\/usr\/local\/bin\/cri-dockerd /);
      assert.equal(await pods.fingerprint(), before, 'no pod was restarted');
    });
  });
}
