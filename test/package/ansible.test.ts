import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { ROOT, bootDebian, buildExecutable, type DebianNode } from '../support/debian-node.js';
import { installByHand, makeOldPackage, removeByHand, type OldServer } from '../support/old-node.js';

const ENGINE_SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const TGZ: OldServer = {
  bin: '/usr/local/bin',
  units: '/etc/systemd/system',
  name: 'cri-docker',
  flags: '--container-runtime-endpoint fd:// --network-plugin=',
};

describe('the playbooks', { skip: noEngine }, () => {
  let node: DebianNode;

  /** Runs a playbook against the node itself; answers how many tasks changed something. */
  function play(book: string, ...extra: string[]): number {
    const variables = extra.map((one) => `-e ${one}`).join(' ');
    const output = node.on(
      `cd /root/ansible; ansible-playbook -i localhost, -c local ${book} ${variables} 2>&1`,
    );
    const [, changed] = /localhost +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0/.exec(output) ?? [];
    assert.ok(changed !== undefined, output);
    return Number(changed);
  }

  before(() => {
    buildExecutable();
    node = bootDebian(ENGINE_SOCKET, { with: 'ansible-core,procps' });
    cpSync(path.join(ROOT, 'deploy/ansible'), path.join(node.root, 'root/ansible'), { recursive: true });
    cpSync(buildExecutable(), path.join(node.root, 'root/cridock-executable'));
  });
  after(() => node.halt());

  it("switch a node of cri-dockerd's package, change nothing the second time, and take it back", () => {
    makeOldPackage(node);
    node.on('dpkg -i /root/cri-dockerd.deb; mkdir -p /etc/systemd/system/cri-docker.service.d');
    node.on(
      "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --network-plugin=\\n' >/etc/systemd/system/cri-docker.service.d/10-cni.conf; systemctl daemon-reload; systemctl restart cri-docker.socket cri-docker.service",
    );
    assert.ok(play('switch.yml', 'cridock_deb=/root/cridock.deb') > 0);
    assert.match(node.on('cridock status'), /cridock .* ready/);
    assert.equal(play('switch.yml', 'cridock_deb=/root/cridock.deb'), 0);
    assert.ok(play('roll-back.yml', 'cri_dockerd_deb=/root/cri-dockerd.deb') > 0);
    assert.equal(node.on('readlink -f /usr/bin/cri-dockerd').trim(), '/usr/bin/cri-dockerd');
    assert.ok(node.isActive('cri-docker.service'));
    assert.equal(play('roll-back.yml', 'cri_dockerd_deb=/root/cri-dockerd.deb'), 0);
    node.on('dpkg --purge cri-dockerd cridock; rm -rf /etc/systemd/system/cri-docker.service.d');
  });

  it("take a node of cri-dockerd's package back by its package, and say so where there is none", () => {
    const replaced = (): void => {
      node.on('dpkg -i /root/cri-dockerd.deb; mkdir -p /etc/systemd/system/cri-docker.service.d');
      // Whatever cridock's package brings does not start.
      node.on(
        `printf '[Service]\\nExecStartPre=/bin/sh -c "! test -e /usr/bin/cridock"\\n' >/etc/systemd/system/cri-docker.service.d/99-not.conf; systemctl daemon-reload`,
      );
    };
    const tried = (...more: string[]): string =>
      node.tried(
        `cd /root/ansible; ansible-playbook -i localhost, -c local switch.yml -e cridock_deb=/root/cridock.deb ${more.join(' ')}`,
      ).output;
    replaced();
    assert.match(tried('-e cri_dockerd_deb=/root/cri-dockerd.deb'), /localhost was taken back: /);
    assert.equal(node.on('readlink -f /usr/bin/cri-dockerd').trim(), '/usr/bin/cri-dockerd');
    assert.ok(node.isActive('cri-docker.service'));
    assert.match(tried(), /localhost could not be taken back \(.*cri-dockerd is not installed here/);
    node.on(
      'dpkg --purge cri-dockerd cridock; rm -rf /etc/systemd/system/cri-docker.service.d; systemctl daemon-reload; systemctl reset-failed',
    );
  });

  it('switch a node of an archive by the executable, and take it back', () => {
    installByHand(node, TGZ);
    assert.equal(play('roll-back.yml'), 0, 'a node that was never switched');
    assert.equal(play('--check switch.yml', 'cridock_executable=/root/cridock-executable'), 0);
    assert.match(node.started(), /^\/usr\/local\/bin\/cri-dockerd /, 'a look changes nothing');
    assert.ok(play('switch.yml', 'cridock_executable=/root/cridock-executable') > 0);
    assert.match(node.started(), /^\/usr\/local\/bin\/cridock /);
    assert.equal(play('switch.yml', 'cridock_executable=/root/cridock-executable'), 0);
    const pid = node.mainPid();
    node.on('cp /root/cridock-executable /root/newer; echo >>/root/newer');
    assert.ok(play('switch.yml', 'cridock_executable=/root/newer') > 0);
    assert.notEqual(node.mainPid(), pid, 'another version is started anew');
    assert.ok(play('roll-back.yml') > 0);
    assert.match(node.started(), /^\/usr\/local\/bin\/cri-dockerd /);
    assert.equal(play('roll-back.yml'), 0);
  });

  it('take a node back on which cridock does not come up, and stop there', () => {
    // This cri-dockerd does not mind an address that is not the node's; cridock does.
    node.on(
      "sed -i 's#--network-plugin=#--network-plugin= --metrics-bind-addr=192.0.2.1:1#' /etc/systemd/system/cri-docker.service",
    );
    node.on(
      "printf '#!/bin/sh\\nsystemd-notify --ready\\nexec sleep infinity\\n' >/usr/local/bin/cri-dockerd.new; chmod 755 /usr/local/bin/cri-dockerd.new; mv /usr/local/bin/cri-dockerd.new /usr/local/bin/cri-dockerd; systemctl daemon-reload; systemctl restart cri-docker.service",
    );
    const { status, output } = node.tried(
      'cd /root/ansible; ansible-playbook -i localhost, -c local switch.yml -e cridock_executable=/root/cridock-executable',
    );
    assert.notEqual(status, 0);
    assert.match(output, /localhost was taken back: Let cridock serve/);
    assert.equal(node.started(), 'sleep infinity');
    removeByHand(node, TGZ);
  });
});
