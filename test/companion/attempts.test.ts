import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CompanionNode, noCompanion, POD_UID } from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { makeImage } from '../support/images.js';
import { identityOf, mountsOf } from '../support/process-truth.js';
import { refusal, type TestPod } from '../support/test-node.js';

/** What a pod is told to try: all of it as root of its user namespace, with all that it can be given. */
describe('a pod with a user namespace that tries to get out', { skip: noCompanion }, () => {
  let companion: CompanionNode;
  let pod: TestPod;
  let folder: string;

  before(async () => {
    companion = await CompanionNode.start();
    folder = companion.node.cridock.directory;
    pod = await companion.pod({ privileged: true });
  });
  after(() => companion.node.close());

  /** A shell's commands in a privileged container, each with what it must not print. */
  const attempt = (run: string, mounts: object[] = []): Promise<string> =>
    companion.output(pod, run, { security: { privileged: true }, mounts });

  it('sees no process and no root of the node', async () => {
    const text = await attempt(
      `ls -d /proc/[0-9]* | wc -l; cat /proc/${process.pid}/environ && echo GOT; ls /proc/1/root/var/lib/docker && echo GOT; kill -0 ${process.pid} && echo GOT; chroot /proc/1/root ls ${process.cwd()} 2>/dev/null && echo GOT`,
    );
    assert.doesNotMatch(text, /GOT/);
    assert.ok(Number(text.split('\n')[0]) < 10, text);
  });

  it('makes and opens no device of the node', async () => {
    const { dev } = statSync('/var');
    const [major, minor] = [dev >> 8, dev & 0xff];
    const disk = join(folder, 'disk');
    execFileSync('mknod', ['-m', '666', disk, 'b', String(major), String(minor)]);
    const text = await attempt(
      `mknod /d b ${major} ${minor} && echo GOT; mknod /v/e b ${major} ${minor} && echo GOT; head -c 1 /v/disk && echo GOT; for d in /dev/vd* /dev/sd* /dev/nvme* /dev/loop* /dev/mem /dev/kmsg; do [ -e $d ] || continue; head -c 1 $d && echo GOT; echo x >>$d && echo GOT; done`,
      [companion.volume(folder, '/v')],
    );
    assert.doesNotMatch(text, /GOT/);
  });

  it('mounts nothing of the node', async () => {
    const { dev } = statSync('/var');
    const text = await attempt(
      [
        `mkdir /m; mount -t ext4 /dev/block/${dev >> 8}:${dev & 0xff} /m && echo GOT`,
        'mount -t devtmpfs x /m && echo GOT',
        'mount -t debugfs x /m && echo GOT',
        'mount -t overlay -o lowerdir=/bin:/etc x /m; ls /m >/dev/null; umount /m',
        'mount -o remount,rw /proc/sys; echo "|/bin/false" >/proc/sys/kernel/core_pattern && echo GOT',
        'echo 1 >/proc/sys/vm/drop_caches && echo GOT',
        'echo h >/proc/sysrq-trigger && echo GOT',
        'echo x >/sys/kernel/uevent_helper && echo GOT',
        'umount -l /; umount -l /etc/hosts; ls /etc/hosts',
      ].join('; '),
    );
    assert.doesNotMatch(text, /GOT/);
    assert.ok(!readFileSync('/proc/sys/kernel/core_pattern', 'utf8').includes('/bin/false'));
  });

  it('writes to no file of the node that a hostPath shows it', async () => {
    const secret = join(folder, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'key'), 'SECRET');
    chmodSync(join(secret, 'key'), 0o600);
    const text = await attempt(
      'cat /h/secret/key; chown 0:0 /h/secret && echo GOT; chmod 777 /h/secret/key && echo GOT; touch /h/secret/x && echo GOT; rm -f /h/secret/key && echo GOT',
      [{ host_path: folder, container_path: '/h' }],
    );
    assert.doesNotMatch(text, /SECRET|GOT/);
    assert.equal(readFileSync(join(secret, 'key'), 'utf8'), 'SECRET');
  });

  it('takes no ids that it was not given', async () => {
    const text = await attempt(
      'touch /f; chown 70000:70000 /f && echo GOT; setpriv --reuid 70000 true && echo GOT',
    );
    assert.doesNotMatch(text, /GOT/);
    const { pid } = await companion.start(pod, { security: { privileged: true } });
    assert.equal(identityOf(pid).uid, POD_UID);
  });

  it('finds no clone of the layers: not in its mounts, not in its descriptors, not in the layers themselves', async () => {
    const { DockerRootDir: data } = await companion.node.engine.info();
    const { pid } = await companion.start(pod, { security: { privileged: true } });
    const seen = [...mountsOf(pid).values()];
    const layered = seen.filter(({ type, root }) => type !== 'overlay' && /overlay2|snapshots/.test(root));
    assert.deepEqual(layered, []);
    const descriptors = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return execFileSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' });
      } catch {
        return '';
      }
    });
    assert.ok(!descriptors.some((target) => target.includes(data)), descriptors.join());
    // Shown to it by a hostPath, the layers are nobody's.
    const text = await attempt('ls /d/overlay2 /d/containerd && echo GOT; touch /d/x && echo GOT', [
      { host_path: data, container_path: '/d' },
    ]);
    assert.doesNotMatch(text, /GOT/);
  });

  it("does not get to cridock's socket, though a hostPath shows its folder", async () => {
    const text = await attempt('ls -l /c/companion; echo x | nc -U /c/companion/socket-* ; echo done', [
      { host_path: '/run/cridock', container_path: '/c' },
    ]);
    assert.match(text, /Permission denied/);
    assert.doesNotMatch(text, /socket-[0-9a-f]/);
  });

  it('gains nothing by what an image, or a user of Docker, says of it', async () => {
    const { node } = companion;
    const hostile = JSON.stringify({ ambient: ['CAP_SYS_ADMIN'], mounts: { '/x': { options: ['suid'] } } });
    const socket = testDockerEndpoint.replace(/^unix:\/\//, '');
    const label = `io.cridock.adjustments=${JSON.stringify(hostile)}`;
    await makeImage(socket, 'hostile:adjusted', { LABEL: label }, {});
    const plain = await node.pod();
    const image = { image: 'hostile:adjusted', user_specified_image: 'hostile:adjusted' };
    const id = await node.create(plain, { image });
    const { HostConfig } = await node.engine.inspectContainer(id);
    assert.equal(HostConfig.Runtime, 'runc');
    // One that names the runtime as well was not made by cridock: nobody answers for it.
    if (node.engine.supports('1.42')) {
      const words = ['create', '--runtime', 'io.containerd.cridock.v2', '--network', `container:${plain.id}`];
      const labels = [
        'io.kubernetes.docker.type=container',
        `io.kubernetes.sandbox.id=${plain.id}`,
        'io.kubernetes.container.name=fake',
        `io.cridock.adjustments=${hostile}`,
      ];
      const name = `k8s_fake_${plain.config.metadata?.name}_cridock-test_${plain.config.metadata?.uid}_0`;
      const flags = labels.flatMap((text) => ['--label', text]);
      const fake = await companion.docker(...words, '--name', name, ...flags, node.image, 'true');
      const { text } = await refusal(node.runtime.StartContainer({ container_id: fake }));
      assert.match(text, /is not known|no container/);
      await companion.docker('rm', '-f', fake);
    }
    await node.runtime.RemoveContainer({ container_id: id });
    await companion.docker('rmi', '-f', 'hostile:adjusted');
  });
});
