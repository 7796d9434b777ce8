import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MountPropagation } from '../../src/gen/runtime/v1/MountPropagation.js';
import {
  CompanionNode,
  inUserNamespace,
  MAPPINGS,
  noCompanion,
  nodeMounts,
  POD_GID,
  POD_UID,
} from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { identityOf, namespaceOf } from '../support/process-truth.js';
import { sourceFile } from '../support/own-engine.js';
import { refusal, type TestPod } from '../support/test-node.js';
import { until } from '../support/until.js';
import { loadManyLayers } from './many-layers.js';

/** What the tests' Engines have beside the small image. */
const BUSYBOX = { image: 'busybox:latest', user_specified_image: 'busybox:latest' };
const IMAGE_MOUNT_API_VERSION = '1.48';

describe('a pod with a user namespace', { skip: noCompanion }, () => {
  let companion: CompanionNode;
  let pod: TestPod;
  let folder: string;
  let mountsBefore: string[];

  before(async () => {
    mountsBefore = nodeMounts();
    companion = await CompanionNode.start();
    folder = companion.node.cridock.directory;
    pod = await companion.pod();
  });
  after(async () => {
    await companion.node.close();
    // Others' come and go as well, in the copies of them that are here.
    const come = nodeMounts().filter((line) => !mountsBefore.includes(line));
    assert.deepEqual(come, []);
  });

  it('is what Status says that it can be', async () => {
    const { runtime_handlers: handlers } = await companion.node.runtime.Status({});
    const able = handlers.filter(({ features }) => features?.user_namespaces).map(({ name }) => name);
    assert.ok(able.includes('') && able.includes('runc'), able.join());
    assert.ok(!able.includes('crun') && !able.includes('second-runc'));
    assert.ok(!handlers.some(({ name }) => name.includes('cridock')));
    const { status } = await companion.node.runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    const { uids, gids } = status?.linux?.namespaces?.options?.userns_options ?? {};
    assert.deepEqual([uids, gids], [MAPPINGS.uidMappings, MAPPINGS.gidMappings]);
  });

  it('is root inside and nobody outside, all of it in one namespace', async () => {
    const run =
      'id -u; id -g; cat /proc/self/uid_map; stat -c %u:%g / /etc/hosts /etc/resolv.conf /bin/busybox';
    const words = (await companion.output(pod, run)).split(/\s+/).filter(Boolean);
    assert.deepEqual(words, ['0', '0', '0', '200000', '65536', '0:0', '0:0', '0:0', '0:0']);
    const { pid } = await companion.start(pod);
    const { uid, gid } = identityOf(pid);
    assert.deepEqual([uid, gid], [POD_UID, POD_GID]);
    assert.equal(identityOf(pod.pid).uid, POD_UID);
    assert.equal(namespaceOf(pid, 'user'), namespaceOf(pod.pid, 'user'));
    assert.notEqual(namespaceOf(pid, 'user'), namespaceOf('self', 'user'));
    const { pid: other } = await companion.start(pod, { security: { run_as_user: { value: '1000' } } });
    assert.equal(identityOf(other).uid, POD_UID + 1000);
  });

  it('has a container of its own kind only', async () => {
    const text = async (security: object) => (await refusal(companion.node.create(pod, { security }))).text;
    assert.match(await text({}), /userns_options: is not that of the pod/);
    const options = inUserNamespace();
    const gids = [{ host_id: 7, container_id: 0, length: 65_536 }];
    const other = { ...options, userns_options: { ...options.userns_options, gids } };
    assert.match(await text({ namespace_options: other }), /userns_options: is not that of the pod/);
    const plain = await companion.node.pod();
    const { code } = await refusal(companion.create(plain));
    assert.equal(code, 'INVALID_ARGUMENT');
  });

  it('has volumes with the right owners both ways', async () => {
    const volume = join(folder, 'volume');
    mkdirSync(volume);
    writeFileSync(join(volume, 'of-1000'), 'x');
    chownSync(volume, 0, 0);
    chownSync(join(volume, 'of-1000'), 1000, 1001);
    const run = 'stat -c %u:%g /v/of-1000; echo y >/v/new; chown 5:6 /v/new; echo z >/v/root';
    assert.match(
      await companion.output(pod, run, { mounts: [companion.volume(volume, '/v')] }),
      /^1000:1001$/m,
    );
    const owner = (name: string) => {
      const { uid, gid } = statSync(join(volume, name));
      return [uid, gid];
    };
    assert.deepEqual(
      [owner('new'), owner('root')],
      [
        [5, 6],
        [0, 0],
      ],
    );
    // Without mappings the node's ids count, which are nobody's in the pod.
    const bare = await companion.output(pod, 'stat -c %u /v/of-1000; touch /v/no || echo refused', {
      mounts: [{ host_path: volume, container_path: '/v' }],
    });
    assert.match(bare, /^65534$[^]*^refused$/m);
    const id = await companion.create(pod, {
      mounts: [companion.volume(volume, '/v', { mount_options: ['noexec'] })],
    });
    const [mount] = (await companion.node.status(id)).mounts;
    assert.deepEqual([mount?.uidMappings, mount?.mount_options], [MAPPINGS.uidMappings, ['noexec']]);
  });

  it('keeps ids on the disk as they are: cp, diff and commit are right', async () => {
    const run = 'echo new >/new; chown 5:6 /new; chown 7:8 /bin/busybox; rm /etc/group; exec sleep 3600';
    const { id } = await companion.start(pod, { run, image: BUSYBOX });
    await until('its work', async () => (await companion.docker('diff', id)).includes('D /etc/group'));
    const diff = await companion.docker('diff', id);
    assert.match(diff, /^A \/new$/m);
    assert.doesNotMatch(diff, /\/usr|\/lib/);
    const tar = execFileSync('sh', ['-c', `"$DOCKER" -H "$CRIDOCK_TEST_DOCKER" cp ${id}:/new - | tar -tvn`]);
    assert.match(tar.toString(), / 5\/6 /);
    const file = join(folder, 'from-outside');
    writeFileSync(file, 'hello');
    await companion.docker('cp', file, `${id}:/etc/from-outside`);
    const { stdout } = await companion.node.runtime.ExecSync({
      container_id: id,
      cmd: ['sh', '-c', 'cat /etc/from-outside; stat -c %u:%g /new'],
      timeout: 60,
    });
    assert.equal(Buffer.from(stdout).toString(), 'hello5:6\n');
    await companion.docker('commit', id, 'committed-in-userns');
    const owners = [
      'run',
      '--rm',
      '--network',
      'none',
      '--entrypoint',
      'stat',
      'committed-in-userns',
      '-c',
      '%u:%g',
    ];
    assert.equal(await companion.docker(...owners, '/new', '/bin/busybox', '/bin'), '5:6\n7:8\n0:0');
    await companion.docker('rmi', '-f', 'committed-in-userns');
  });

  it('runs an image of 91 layers', async (t) => {
    const { node } = companion;
    t.after(() => companion.docker('rmi', '-f', 'layers:91'));
    const layers = join(folder, 'layers');
    mkdirSync(layers);
    const docker = [process.env['DOCKER'] ?? 'docker', '-H', testDockerEndpoint];
    loadManyLayers(docker, node.image, 'layers:91', 91, layers);
    assert.equal(
      await companion.docker('image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'layers:91'),
      '91',
    );
    const run = 'ls /layer-* | wc -l; stat -c %u /layer-50; rm /layer-50; ls /layer-* | wc -l';
    const text = await companion.output(pod, run, {
      image: { image: 'layers:91', user_specified_image: 'layers:91' },
    });
    assert.deepEqual(text.trim().split(/\s+/), ['90', '0', '89']);
  });

  it('has image volumes with its owners, also a part of one', async (t) => {
    const { node } = companion;
    const mounts = [
      { container_path: '/whole', image: { image: node.image }, readonly: true },
      // Docker takes an image only once.
      { container_path: '/part', image: BUSYBOX, readonly: true, image_sub_path: 'etc' },
    ];
    if (!node.engine.supports(IMAGE_MOUNT_API_VERSION)) {
      const { code, text } = await refusal(companion.create(pod, { mounts }));
      assert.equal(code, 'UNIMPLEMENTED');
      assert.match(text, /ImageVolumeMountFailed/);
      t.diagnostic('the Engine mounts no images');
      return;
    }
    const run = 'stat -c %u:%g /whole/bin/busybox /part/passwd; touch /part/x || echo refused';
    assert.match(await companion.output(pod, run, { mounts }), /^0:0\n0:0\n[^]*refused$/m);
  });

  it('sees mounts that come later, also below the mount that its root is shown on', async () => {
    // The machine's own is shared, but with nobody outside of this test's namespace.
    const holder = '/run/cridock';
    execFileSync('mount', ['--make-shared', holder]);
    for (const parent of [folder, holder]) {
      const volume = join(parent, 'later');
      mkdirSync(join(volume, 'sub'), { recursive: true });
      const propagation = MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
      const { id } = await companion.start(pod, {
        mounts: [{ host_path: volume, container_path: '/v', propagation }],
      });
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(volume, 'sub')]);
      writeFileSync(join(volume, 'sub', 'late'), 'here');
      const { stdout } = await companion.node.runtime.ExecSync({
        container_id: id,
        cmd: ['cat', '/v/sub/late'],
        timeout: 60,
      });
      execFileSync('umount', [join(volume, 'sub')]);
      assert.equal(Buffer.from(stdout).toString(), 'here', parent);
    }
    assert.deepEqual(readdirSync(join(holder, 'rootfs')), [], 'nothing is shown on the node');
  });

  it('has what every pod has: exec, logs, statistics, changed limits, an end and no second start', async () => {
    const { runtime } = companion.node;
    const { id } = await companion.start(pod, { log_path: 'says/0.log', run: 'echo said; exec sleep 3600' });
    const { stdout, exit_code: code } = await runtime.ExecSync({
      container_id: id,
      cmd: ['id', '-u'],
      timeout: 60,
    });
    assert.deepEqual([Buffer.from(stdout).toString(), code], ['0\n', 0]);
    const log = join(pod.config.log_directory ?? '', 'says/0.log');
    await until('its log', () => readFileSync(log, 'utf8').includes('stdout F said'));
    await runtime.UpdateContainerResources({ container_id: id, linux: { cpu_shares: 300 } });
    assert.equal((await companion.node.status(id)).resources?.linux?.cpu_shares, '300');
    const { stats } = await runtime.ContainerStats({ container_id: id });
    assert.ok(Number(stats?.memory?.working_set_bytes?.value) > 0);
    await runtime.StopContainer({ container_id: id, timeout: 0 });
    await companion.node.ended(id);
    assert.equal((await refusal(runtime.StartContainer({ container_id: id }))).code, 'FAILED_PRECONDITION');
    await runtime.RemoveContainer({ container_id: id });
  });

  it('is started by cridock alone: the Engine by itself is refused, with a text that it shows', async () => {
    const id = await companion.create(pod);
    await assert.rejects(
      companion.docker('start', id),
      /cridock is not starting this container.*only cridock can start it/,
    );
    const ran = await companion.start(pod);
    await assert.rejects(companion.docker('restart', '-t', '0', ran.id), /only cridock can start it/);
    const words = [
      'run',
      '--rm',
      '--runtime',
      'io.containerd.cridock.v2',
      '--label',
      'io.cridock.adjustments={}',
    ];
    if (companion.node.engine.supports('1.42')) {
      await assert.rejects(
        companion.docker(...words, companion.node.image, 'true'),
        /only cridock can start it/,
      );
    }
  });

  it('goes on over a kill of cridock, also between creation and start', async () => {
    const { cridock, runtime } = companion.node;
    const id = await companion.create(pod);
    const { pid } = await companion.start(pod);
    await cridock.kill9();
    await assert.rejects(companion.docker('start', id), /only cridock can start it/);
    await cridock.restart();
    const later = await companion.create(pod);
    await runtime.StartContainer({ container_id: later });
    assert.match((await refusal(runtime.StartContainer({ container_id: id }))).text, /has ended/);
    const { stdout } = await runtime.ExecSync({ container_id: later, cmd: ['id', '-u'], timeout: 60 });
    assert.equal(Buffer.from(stdout).toString(), '0\n');
    assert.equal(identityOf(pid).uid, POD_UID);
    const created = await companion.create(pod);
    await cridock.kill9();
    await cridock.restart();
    await runtime.StartContainer({ container_id: created });
    assert.equal(identityOf((await companion.node.engine.inspectContainer(created)).State.Pid).uid, POD_UID);
  });

  it('goes on over a restart of dockerd, and takes new containers after it', async (t) => {
    if (!companion.node.engine.supports('1.46')) {
      t.skip('its containerd is where this Engine would take it for another one');
      return;
    }
    const { pid, id } = await companion.start(pod);
    const words = (process.env['CRIDOCK_TEST_ENGINE_WORDS'] ?? '').split(' ');
    execFileSync(sourceFile('support/engine.sh'), ['restart', ...words], { stdio: 'ignore' });
    const isReady = async () => {
      const { status } = await companion.node.runtime.Status({});
      return status?.conditions.find(({ type }) => type === 'RuntimeReady')?.status === true;
    };
    await until('a node that is ready', isReady, 60_000);
    assert.equal(identityOf(pid).uid, POD_UID);
    const { stdout } = await companion.node.runtime.ExecSync({
      container_id: id,
      cmd: ['id', '-u'],
      timeout: 60,
    });
    assert.equal(Buffer.from(stdout).toString(), '0\n');
    const { pid: later } = await companion.start(pod);
    assert.equal(namespaceOf(later, 'user'), namespaceOf(pod.pid, 'user'));
  });

  it('is removed and leaves nothing', async () => {
    const { runtime } = companion.node;
    await runtime.RemovePodSandbox({ pod_sandbox_id: (await companion.pod()).id });
    assert.deepEqual(
      readdirSync('/run/cridock/companion').filter((name) => !name.startsWith('socket-')),
      [],
    );
  });
});
