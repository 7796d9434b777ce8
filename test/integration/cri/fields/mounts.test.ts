import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Mount } from '../../../../src/gen/runtime/v1/Mount.js';
import { MountPropagation } from '../../../../src/gen/runtime/v1/MountPropagation.js';
import { noEngine, testDockerEndpoint } from '../../../support/cridock-process.js';
import { usesContainerdStore } from '../../../../src/convert/engine-info.js';
import { makeImage } from '../../../support/images.js';
import { untilAnswered } from '../../../support/pod-worker.js';
import { until } from '../../../support/until.js';
import { mountsOf } from '../../../support/process-truth.js';
import { refusal, TestNode, WITH_COMPANION, type TestPod } from '../../../support/test-node.js';

const SOCKET = testDockerEndpoint.replace(/^unix:\/\//, '');
const IMAGE = 'cridock.test/volume:latest';
const { PROPAGATION_PRIVATE, PROPAGATION_HOST_TO_CONTAINER, PROPAGATION_BIDIRECTIONAL } = MountPropagation;

describe('mounts and devices of a container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  /** A shared mount on the host, and a private one. */
  let shared: string;
  let secluded: string;

  before(async () => {
    await makeImage(SOCKET, IMAGE, {}, { 'data/file': 'of the image' }, { link: '/data', far: 'link/file' });
    node = await TestNode.start();
    pod = await node.pod();
    shared = mounted('shared');
    secluded = mounted('private');
  });
  after(async () => {
    await node.close();
    for (const folder of [shared, secluded]) {
      execFileSync('umount', ['-R', folder]);
      rmdirSync(folder);
    }
  });

  function mounted(propagation: string): string {
    const folder = join(tmpdir(), `cridock-mount-${process.pid}-${propagation}`);
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
    execFileSync('mount', [`--make-${propagation}`, folder]);
    return folder;
  }
  function folder(name: string): string {
    const path = join(node.cridock.directory, name);
    mkdirSync(path);
    writeFileSync(join(path, 'file'), name);
    return path;
  }
  const refuse = async (mount: Mount, code: string, word: string): Promise<void> => {
    const refused = await refusal(node.create(pod, { mounts: [{ container_path: '/m', ...mount }] }));
    assert.equal(refused.code, code, refused.text);
    assert.ok(refused.text.includes(word), refused.text);
  };

  it('host_path, container_path: a folder, a file, a link; as asked in the status', async () => {
    const real = folder('real');
    const link = join(node.cridock.directory, 'link');
    symlinkSync(real, link);
    const mounts = [
      { host_path: real, container_path: '/folder' },
      { host_path: join(real, 'file'), container_path: '/a-file' },
      { host_path: link, container_path: '/linked' },
    ];
    const id = await node.create(pod, { mounts, run: 'sleep 60' });
    await node.runtime.StartContainer({ container_id: id });
    const root = `/proc/${(await node.engine.inspectContainer(id)).State.Pid}/root`;
    for (const path of ['/folder/file', '/a-file', '/linked/file']) {
      assert.equal(readFileSync(root + path, 'utf8'), 'real');
    }
    const told = (await node.status(id)).mounts.map(({ host_path, container_path }) => ({
      host_path,
      container_path,
    }));
    assert.deepEqual(told, mounts);
  });

  it('the last mount of a target wins', async () => {
    const mounts = ['one', 'two'].map((name) => ({ host_path: folder(name), container_path: '/m' }));
    assert.equal(await node.output(pod, 'cat /m/file', { mounts }), 'two');
  });

  it('a missing host_path is made, with the folders above it', async () => {
    const made = (name: string): string => join(node.cridock.directory, name, 'opt/cni/bin');
    for (const changes of [{}, { selinux_relabel: true }, { readonly: true }]) {
      const host_path = made(`missing-${Object.keys(changes).join('')}`);
      const mounts = [{ host_path, container_path: '/m', ...changes }];
      assert.equal(await node.output(pod, 'stat -c %F:%a:%u /m', { mounts }), 'directory:755:0\n');
      const { mode, uid } = statSync(join(host_path, '../..'));
      assert.deepEqual([mode & 0o7777, uid], [0o755, 0]);
    }
    const below = join(shared, 'missing/too');
    const { pid } = await node.start(pod, {
      mounts: [{ host_path: below, container_path: '/m', propagation: PROPAGATION_HOST_TO_CONTAINER }],
    });
    assert.ok(mountsOf(pid).has('/m'));
  });

  it('a host_path that cannot be made is refused; a request that is refused makes none', async () => {
    const path = join(folder('in-the-way'), 'file/missing');
    await refuse({ host_path: path }, 'INVALID_ARGUMENT', 'config.mounts[0].host_path');
    const unmade = join(node.cridock.directory, 'unmade');
    const mounts = [{ host_path: unmade, container_path: '/m' }];
    await assert.rejects(node.create(pod, { mounts, resources: { cpuset_cpus: 'none' } }));
    assert.throws(() => statSync(unmade));
    const inSecluded = join(secluded, 'unmade');
    await refuse(
      { host_path: inSecluded, propagation: PROPAGATION_HOST_TO_CONTAINER },
      'INVALID_ARGUMENT',
      'propagation',
    );
    assert.throws(() => statSync(inSecluded));
  });

  it('readonly', async () => {
    const mounts = [{ host_path: folder('ro'), container_path: '/m', readonly: true }];
    const { id, pid } = await node.start(pod, { mounts });
    assert.ok(mountsOf(pid).get('/m')?.options.includes('ro'));
    assert.equal((await node.status(id)).mounts[0]?.readonly, true);
    assert.match(await node.output(pod, 'touch /m/new', { mounts }), /Read-only/);
  });

  it('readonly leaves mounts below it alone; recursive_read_only does not, or is refused', async () => {
    mkdirSync(join(shared, 'rro/below'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'rro/below')]);
    const mount = { host_path: join(shared, 'rro'), container_path: '/m', readonly: true };
    const plain = await node.start(pod, { mounts: [mount] });
    assert.ok(mountsOf(plain.pid).get('/m/below')?.options.includes('rw'));
    const { runtime_handlers: handlers } = await node.runtime.Status({});
    const able = handlers.find(({ name }) => name === '')?.features?.recursive_read_only_mounts === true;
    const recursive = { ...mount, recursive_read_only: true };
    if (able) {
      const { id, pid } = await node.start(pod, { mounts: [recursive] });
      assert.ok(mountsOf(pid).get('/m/below')?.options.includes('ro'));
      assert.equal((await node.status(id)).mounts[0]?.recursive_read_only, true);
    } else {
      await refuse(recursive, 'UNIMPLEMENTED', 'RROUnsupported');
    }
    await refuse({ ...recursive, readonly: false }, 'INVALID_ARGUMENT', 'recursive_read_only');
    await refuse(
      { ...recursive, propagation: PROPAGATION_BIDIRECTIONAL },
      'INVALID_ARGUMENT',
      'recursive_read_only',
    );
  });

  it('propagation: private, to the container, both ways', async () => {
    const under = (name: string): string => {
      const path = join(shared, name);
      mkdirSync(join(path, 'later'), { recursive: true });
      mkdirSync(join(path, 'back'));
      return path;
    };
    const seen = async (propagation: MountPropagation): Promise<boolean> => {
      const host_path = under(`p${propagation}`);
      const { id, pid } = await node.start(pod, {
        mounts: [{ host_path, container_path: '/m', propagation }],
      });
      assert.equal((await node.status(id)).mounts[0]?.propagation, propagation);
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(host_path, 'later')]);
      return mountsOf(pid).has('/m/later');
    };
    assert.equal(await seen(PROPAGATION_PRIVATE), false);
    assert.equal(await seen(PROPAGATION_HOST_TO_CONTAINER), true);
    assert.equal(await seen(PROPAGATION_BIDIRECTIONAL), true);
    if (node.noAllCapabilities !== undefined) return;
    const privileged = await node.pod({ linux: { security_context: { privileged: true } } });
    const host_path = under('back-and-forth');
    await node.start(privileged, {
      security: { privileged: true },
      mounts: [{ host_path, container_path: '/m', propagation: PROPAGATION_BIDIRECTIONAL }],
      run: 'mount -t tmpfs tmpfs /m/back; touch /m/done; sleep 60',
    });
    while (!exists(join(host_path, 'done'))) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(mountsOf(process.pid).has(join(host_path, 'back')));
  });

  it('propagation that the host path cannot have is refused', async () => {
    for (const propagation of [PROPAGATION_BIDIRECTIONAL, PROPAGATION_HOST_TO_CONTAINER]) {
      await refuse({ host_path: secluded, propagation }, 'INVALID_ARGUMENT', 'propagation');
    }
    await refuse({ host_path: shared, propagation: 9 as never }, 'INVALID_ARGUMENT', 'propagation');
  });

  it('uidMappings, gidMappings and mount_options are refused without the companion runtime', async (t) => {
    if (await node.hasCompanion()) {
      t.skip(WITH_COMPANION);
      return;
    }
    const mapping = [{ host_id: 1, container_id: 0, length: 1 }];
    const mappings = { uidMappings: mapping, gidMappings: mapping };
    await refuse({ host_path: shared, ...mappings }, 'UNIMPLEMENTED', 'uidMappings');
    await refuse({ host_path: shared, gidMappings: mapping }, 'INVALID_ARGUMENT', 'uidMappings');
    await refuse({ host_path: shared, mount_options: ['noexec'] }, 'UNIMPLEMENTED', 'mount_options');
    const { features } = await node.runtime.Status({});
    assert.equal(features?.mount_options, false);
  });

  it('image and image_sub_path', async (t) => {
    const { image: found } = await node.cridock.client.image.ImageStatus({ image: { image: IMAGE } });
    const mount = { container_path: '/m', image: { image: IMAGE }, readonly: true };
    const id = node.create(pod, { mounts: [mount], run: 'sleep 60' });
    if (!node.engine.supports('1.48') && usesContainerdStore(await node.engine.info())) {
      const { code, text } = await refusal(id);
      assert.equal(code, 'UNIMPLEMENTED');
      assert.match(text, /^ImageVolumeMountFailed/);
      assert.deepEqual(await imageVolumeRemains(), []);
      t.diagnostic('this store has no layers that could be mounted');
      return;
    }
    const [told] = (await node.status(await id)).mounts;
    assert.equal(told?.image?.image_ref, found?.id);
    assert.deepEqual([told?.readonly, told?.host_path, told?.image_sub_path], [true, '', '']);
    assert.equal(await node.output(pod, 'cat /m/data/file', { mounts: [mount] }), 'of the image');
    assert.match(await node.output(pod, 'touch /m/new', { mounts: [mount] }), /Read-only/);
    assert.equal(await node.output(pod, '/m/bin/busybox echo runs', { mounts: [mount] }), 'runs\n');
    const shown = (await node.output(pod, 'ls -A /m', { mounts: [mount] })).split('\n').filter(Boolean);
    assert.deepEqual(shown, ['bin', 'data', 'dev', 'etc', 'far', 'link', 'proc', 'sys', 'tmp']);
    for (const [image_sub_path, file] of [
      ['data', '/m/file'],
      ['./data/', '/m/file'],
      ['link', '/m/file'], // which on the node would lead out of the image
      ['far', '/m'],
    ] as const) {
      const part = { ...mount, image_sub_path };
      assert.equal(await node.output(pod, `cat ${file}`, { mounts: [part] }), 'of the image', image_sub_path);
    }
    const part = await node.create(pod, { mounts: [{ ...mount, image_sub_path: 'link' }] });
    assert.equal((await node.status(part)).mounts[0]?.image_sub_path, 'link');
    await refuse({ ...mount, image_sub_path: 'none' }, 'NOT_FOUND', 'ImageVolumeMountFailed');
    await refuse({ ...mount, image_sub_path: 'data/file/none' }, 'NOT_FOUND', 'ImageVolumeMountFailed');
    await refuse({ ...mount, image_sub_path: '../x' }, 'INVALID_ARGUMENT', 'image_sub_path');
    await refuse({ ...mount, image: { image: 'none-such' } }, 'NOT_FOUND', 'ImageVolumeMountFailed');
    const strange = { image: IMAGE, runtime_handler: 'none-such' };
    await refuse({ ...mount, image: strange }, 'INVALID_ARGUMENT', 'runtime_handler');
    await refuse({ ...mount, host_path: '/tmp' }, 'INVALID_ARGUMENT', 'host_path');
    await refuse({ ...mount, readonly: false }, 'INVALID_ARGUMENT', 'readonly');
    await refuse({ host_path: shared, image_sub_path: 'x' }, 'INVALID_ARGUMENT', 'image_sub_path');
  });

  /** What cridock has on the node and in the Engine for images that it mounts itself. */
  async function imageVolumeRemains(): Promise<string[]> {
    const keepers = await node.engine.listContainers(['io.cridock.image-volume']);
    const mounts = [...mountsOf(process.pid).keys()];
    return [
      ...keepers.map(({ Names: names }) => names.join()),
      ...mounts.filter((target) => target.startsWith(join(node.cridock.directory, 'root/image-volumes'))),
    ];
  }

  it('images that cridock mounts outlive their removal and kill -9, and leave nothing behind', async (t) => {
    if (node.engine.supports('1.48') || usesContainerdStore(await node.engine.info())) {
      t.skip('cridock mounts no images on this Engine');
      return;
    }
    const name = 'cridock.test/volume:kept';
    await makeImage(SOCKET, name, { LABEL: 'note=long' }, { kept: 'still there' });
    const own = await node.pod();
    const mounts = [{ container_path: '/m', image: { image: name }, readonly: true }];
    const [early, late] = [await node.create(own, { mounts }), await node.create(own, { mounts })];
    const [running] = [await node.start(own, { mounts })];
    const { image } = await node.cridock.client.image.ImageStatus({ image: { image: name } });
    const keeper = `cridock-image-volume-${image?.id.replace('sha256:', '')}`;
    const { Config: kept } = await node.engine.inspectContainer(keeper);
    assert.equal(kept.Labels?.['note'], '', 'each keeper would take as much as the image has');
    const contentOf = async (id: string) =>
      readFileSync(`/proc/${(await node.engine.inspectContainer(id)).State.Pid}/root/m/kept`, 'utf8');
    await node.cridock.kill9();
    await node.cridock.restart();
    await untilAnswered(() => node.cridock.client.image.RemoveImage({ image: { image: name } }));
    for (const id of [early, late]) await node.runtime.StartContainer({ container_id: id });
    for (const id of [early, late, running.id]) assert.equal(await contentOf(id), 'still there');
    for (const id of [early, late]) await node.runtime.RemoveContainer({ container_id: id });
    assert.equal(await contentOf(running.id), 'still there');
    assert.notDeepEqual(await imageVolumeRemains(), []);
    const before = await imageVolumeRemains();
    await node.runtime.RemovePodSandbox({ pod_sandbox_id: own.id });
    const gone = before.filter((remain) => remain.includes('volumes/'));
    const after = await imageVolumeRemains();
    assert.ok(gone.some((mount) => !after.includes(mount)));
  });

  it('a container with an image that cannot be made leaves no mount', async () => {
    const before = await imageVolumeRemains();
    const name = 'cridock.test/volume:unused';
    await makeImage(SOCKET, name, {}, { unused: '' });
    const image = { container_path: '/m', image: { image: name }, readonly: true };
    const mounts = [image, { container_path: '/n', host_path: '/etc/passwd/none' }];
    await assert.rejects(node.create(pod, { mounts }));
    assert.deepEqual(await imageVolumeRemains(), before);
  });

  it('images removed behind the back of cridock with their containers are unmounted at its next start', async () => {
    for (const { id } of (await node.runtime.ListContainers({})).containers) {
      await node.engine.removeContainer(id);
    }
    await node.cridock.kill9();
    await node.cridock.restart();
    await until('nothing is left', async () => (await imageVolumeRemains()).length === 0);
  });

  it('selinux_relabel: without SELinux there is nothing to relabel, and the mount is as others', async () => {
    const path = folder('relabelled');
    const mounts = [{ host_path: path, container_path: '/m', readonly: true, selinux_relabel: true }];
    assert.equal(await node.output(pod, 'cat /m/file', { mounts }), 'relabelled');
    assert.match(await node.output(pod, 'touch /m/new', { mounts }), /Read-only/);
  });

  it('devices: node, path, permissions; a missing one is refused', async () => {
    const devices = [{ host_path: '/dev/loop7', container_path: '/dev/mine', permissions: 'r' }];
    const open = 'sh -c ": </dev/mine" && echo readable; sh -c ": >/dev/mine" || echo not writable';
    assert.match(await node.output(pod, open, { devices }), /readable[^]*not permitted[^]*not writable/);
    const all = [{ host_path: '/dev/loop7', container_path: '/dev/mine', permissions: 'rwm' }];
    assert.doesNotMatch(await node.output(pod, open, { devices: all }), /not/);
    const refused = async (device: object) => refusal(node.create(pod, { devices: [device] }));
    const missing = await refused({ host_path: '/dev/none-such' });
    assert.equal(missing.code, 'INVALID_ARGUMENT');
    assert.match(missing.text, /devices\[0\]\.host_path/);
    assert.match((await refused({ host_path: '/etc/passwd' })).text, /not a device/);
    assert.match((await refused({ host_path: '/dev/zero', permissions: 'x' })).text, /permissions/);
  });

  it('CDI_devices, and annotations in their place: by name from a specification, else refused', async (t) => {
    const [folderOfSpecs] = (await node.engine.info()).CDISpecDirs ?? [];
    const name = 'cridock.test/thing=one';
    const annotations = { 'cdi.k8s.io/device-plugin_0': name };
    if (folderOfSpecs === undefined && (await node.hasCompanion())) {
      t.skip(WITH_COMPANION);
      return;
    }
    if (folderOfSpecs === undefined) {
      assert.equal((await refusal(node.create(pod, { CDI_devices: [{ name }] }))).code, 'UNIMPLEMENTED');
      assert.equal((await refusal(node.create(pod, { annotations }))).code, 'UNIMPLEMENTED');
      return;
    }
    const unknown = await refusal(node.create(pod, { CDI_devices: [{ name }] }));
    assert.equal(unknown.code, 'INVALID_ARGUMENT');
    assert.equal((await refusal(node.create(pod, { annotations }))).code, 'INVALID_ARGUMENT');
    mkdirSync(folderOfSpecs, { recursive: true });
    const path = join(folderOfSpecs, `cridock-test-${process.pid}.json`);
    const edits = { env: ['FROM_CDI=yes'] };
    const spec = {
      cdiVersion: '0.5.0',
      kind: 'cridock.test/thing',
      devices: [{ name: 'one', containerEdits: edits }],
    };
    writeFileSync(path, JSON.stringify(spec));
    try {
      assert.equal(await node.output(pod, 'echo $FROM_CDI', { CDI_devices: [{ name }] }), 'yes\n');
      assert.equal(await node.output(pod, 'echo $FROM_CDI', { annotations }), 'yes\n');
      const both = { CDI_devices: [{ name }], annotations };
      assert.equal(await node.output(pod, 'echo $FROM_CDI', both), 'yes\n');
    } finally {
      execFileSync('rm', [path]);
    }
    assert.equal(
      (await refusal(node.create(pod, { CDI_devices: [{ name: 'no name' }] }))).code,
      'INVALID_ARGUMENT',
    );
  });
});

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
