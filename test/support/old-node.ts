import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, buildExecutable, type DebianNode } from './debian-node.js';

/**
 * The program that plays cri-dockerd: a build of the real one (CRIDOCK_TEST_CRI_DOCKERD), or else cridock's executable by its
 * name, which takes the same flags and is another program to everyone who looks at names and processes.
 */
export function criDockerd(): string {
  return process.env['CRIDOCK_TEST_CRI_DOCKERD'] ?? buildExecutable();
}

/** The pair of units that cri-dockerd's packages and its guides have, with this command line. */
export function unitPair(name: string, command: string): { service: string; socket: string } {
  return {
    service: `[Unit]
Description=CRI server that was here before
After=network-online.target docker.service
Wants=network-online.target
Requires=${name}.socket

[Service]
Type=notify
ExecStart=${command}
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutSec=0
RestartSec=2
Restart=always
StartLimitBurst=3
StartLimitInterval=60s
LimitNOFILE=infinity
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
`,
    socket: `[Unit]
Description=Socket of the CRI server that was here before
PartOf=${name}.service

[Socket]
ListenStream=%t/cri-dockerd.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
`,
  };
}

export interface OldServer {
  /** Folder of the program, such as /usr/local/bin. */
  readonly bin: string;
  /** Folder of the units. */
  readonly units: string;
  /** Without `.service`. */
  readonly name: string;
  readonly flags: string;
}

/** Puts cri-dockerd on a node by hand, as an archive or a package that dpkg does not know does, and starts it. */
export function installByHand(node: DebianNode, { bin, units, name, flags }: OldServer): void {
  const program = path.join(bin, 'cri-dockerd');
  const { service, socket } = unitPair(name, `${program} ${flags}`.trim());
  node.on('getent group docker >/dev/null || groupadd --system docker');
  for (const folder of [bin, units]) mkdirSync(path.join(node.root, folder), { recursive: true });
  copyFileSync(criDockerd(), path.join(node.root, program));
  chmodSync(path.join(node.root, program), 0o755);
  writeFileSync(path.join(node.root, units, `${name}.service`), service);
  writeFileSync(path.join(node.root, units, `${name}.socket`), socket);
  node.on(
    `systemctl daemon-reload; systemctl --quiet enable ${name}.socket ${name}.service; systemctl restart ${name}.socket ${name}.service`,
  );
  assert.equal(node.started(`${name}.service`), `${program} ${flags}`.trim());
}

/** Takes it away again. */
export function removeByHand(node: DebianNode, { bin, units, name }: OldServer): void {
  node.on(`systemctl disable --now ${name}.socket ${name}.service 2>/dev/null`);
  node.on(
    `rm -rf ${bin}/cri-dockerd ${units}/${name}.service ${units}/${name}.socket /etc/systemd/system/${name}.service.d; systemctl daemon-reload; systemctl reset-failed`,
  );
}

const UNITS = 'cri-docker.socket cri-docker.service';

/** What debhelper writes into the maintainer scripts of a package with these two units. */
const SCRIPTS: Readonly<Record<string, string>> = {
  postinst: `if [ "$1" = configure ]; then
  for unit in ${UNITS}; do
    deb-systemd-helper unmask $unit >/dev/null || true
    if deb-systemd-helper --quiet was-enabled $unit; then
      deb-systemd-helper enable $unit >/dev/null || true
    else
      deb-systemd-helper update-state $unit >/dev/null || true
    fi
  done
  systemctl --system daemon-reload >/dev/null || true
  deb-systemd-invoke start ${UNITS} >/dev/null || true
fi`,
  prerm: `if [ "$1" = remove ]; then deb-systemd-invoke stop ${UNITS} >/dev/null || true; fi`,
  postrm: `if [ "$1" = remove ]; then
  systemctl --system daemon-reload >/dev/null || true
  deb-systemd-helper mask ${UNITS} >/dev/null || true
fi
if [ "$1" = purge ]; then
  deb-systemd-helper purge ${UNITS} >/dev/null || true
  deb-systemd-helper unmask ${UNITS} >/dev/null || true
fi`,
};

/**
 * Makes /root/cri-dockerd.deb on the node: the program, its pair of units in this folder, and maintainer scripts as debhelper's.
 */
export function makeOldPackage(node: DebianNode, units = '/lib/systemd/system'): void {
  // Docker's packages make it.
  node.on('getent group docker >/dev/null || groupadd --system docker');
  const work = mkdtempSync(path.join(tmpdir(), 'cridock-old-deb-'));
  try {
    const put = (file: string, text: string, mode: number): void => {
      mkdirSync(path.dirname(path.join(work, file)), { recursive: true });
      writeFileSync(path.join(work, file), text);
      chmodSync(path.join(work, file), mode);
    };
    const { service, socket } = unitPair(
      'cri-docker',
      '/usr/bin/cri-dockerd --container-runtime-endpoint fd://',
    );
    put(`${units}/cri-docker.service`, service, 0o644);
    put(`${units}/cri-docker.socket`, socket, 0o644);
    mkdirSync(path.join(work, 'usr/bin'), { recursive: true });
    copyFileSync(criDockerd(), path.join(work, 'usr/bin/cri-dockerd'));
    chmodSync(path.join(work, 'usr/bin/cri-dockerd'), 0o755);
    for (const [name, text] of Object.entries(SCRIPTS))
      put(`DEBIAN/${name}`, `#!/bin/sh\nset -e\n${text}\n`, 0o755);
    const architecture = process.arch === 'x64' ? 'amd64' : 'arm64';
    put(
      'DEBIAN/control',
      `Package: cri-dockerd\nVersion: 0.4.3\nArchitecture: ${architecture}\nMaintainer: nobody <nobody@example.org>\nDescription: stands in for cri-dockerd's package\n`,
      0o644,
    );
    const target = path.join(node.root, 'root/cri-dockerd.deb');
    execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', work, target], { stdio: 'ignore' });
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** What the macros of systemd write into the scripts of cri-dockerd's rpm, which names its service alone. */
const RPM_SCRIPTS: Readonly<Record<string, string>> = {
  postinstall: 'if [ $1 -eq 1 ]; then systemctl --no-reload preset cri-docker.service || :; fi',
  preremove: 'if [ $1 -eq 0 ]; then systemctl --no-reload disable --now cri-docker.service || :; fi',
  postremove: 'if [ $1 -ge 1 ]; then systemctl try-restart cri-docker.service || :; fi',
};

/** Makes /root/cri-dockerd.rpm on the node, likewise; its epoch is that of the real one. */
export function makeOldRpm(node: DebianNode): void {
  const work = mkdtempSync(path.join(tmpdir(), 'cridock-old-rpm-'));
  try {
    const put = (file: string, text: string): void => {
      writeFileSync(path.join(work, file), text);
    };
    const { service, socket } = unitPair(
      'cri-docker',
      '/usr/bin/cri-dockerd --container-runtime-endpoint fd://',
    );
    put('service', service);
    put('socket', socket);
    copyFileSync(criDockerd(), path.join(work, 'cri-dockerd'));
    chmodSync(path.join(work, 'cri-dockerd'), 0o755);
    for (const [name, text] of Object.entries(RPM_SCRIPTS)) put(name, `#!/bin/sh\n${text}\n`);
    const contents = [
      ['cri-dockerd', '/usr/bin/cri-dockerd'],
      ['service', '/usr/lib/systemd/system/cri-docker.service'],
      ['socket', '/usr/lib/systemd/system/cri-docker.socket'],
    ].map(([src, dst]) => ({ src: path.join(work, src ?? ''), dst }));
    const description = {
      name: 'cri-dockerd',
      arch: process.arch === 'x64' ? 'amd64' : 'arm64',
      epoch: '3',
      version: '0.4.3',
      maintainer: 'nobody <nobody@example.org>',
      description: "stands in for cri-dockerd's package",
      contents,
      scripts: Object.fromEntries(Object.keys(RPM_SCRIPTS).map((name) => [name, path.join(work, name)])),
    };
    // JSON is YAML too.
    put('nfpm.yaml', JSON.stringify(description));
    const target = path.join(node.root, 'root/cri-dockerd.rpm');
    const args = [
      'package',
      '--config',
      path.join(work, 'nfpm.yaml'),
      '--packager',
      'rpm',
      '--target',
      target,
    ];
    execFileSync(build('nfpm.sh'), args, { stdio: 'ignore' });
  } finally {
    rmSync(work, { recursive: true });
  }
}
