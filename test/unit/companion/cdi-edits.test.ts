import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cdiEdits } from '../../../src/companion/cdi-edits.js';
import type { IdMaps } from '../../../src/convert/companion/id-maps.js';
import { readCdiDevices } from '../../../src/node/cdi-specs.js';

const userNamespace: IdMaps = {
  uids: [{ containerID: 0, hostID: 200000, size: 65536 }],
  gids: [{ containerID: 0, hostID: 300000, size: 65536 }],
};

describe('CDI devices', () => {
  let base: string;
  let folders: string[];
  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'cdi-'));
    folders = [join(base, 'static'), join(base, 'dynamic')];
    for (const folder of folders) await mkdir(folder);
  });
  after(() => rm(base, { recursive: true }));

  const edits = async (names: string[], maps?: IdMaps) =>
    cdiEdits(names, await readCdiDevices(folders), maps);
  const write = (folder: number, name: string, text: string | object) =>
    writeFile(
      join(folders[folder] ?? '', name),
      typeof text === 'string' ? text : JSON.stringify(text, null, '\t'),
    );
  const spec = (kind: string, devices: Record<string, object>, containerEdits: object = {}) => ({
    cdiVersion: '0.7.0',
    kind,
    devices: Object.entries(devices).map(([name, own]) => ({ name, containerEdits: own })),
    containerEdits,
  });

  it('in YAML and in JSON, what is common to a specification once', async () => {
    const yaml = [
      'cdiVersion: 0.5.0',
      'kind: nvidia.com/gpu',
      'devices:',
      '- name: "0"',
      '  containerEdits:',
      '    deviceNodes:',
      '    - path: /dev/nvidia0',
      '      hostPath: /dev/null',
      '      permissions: rw',
      '- name: all',
      '  containerEdits: {env: ["GPU=all"]}',
      'containerEdits:',
      '  env: [NVIDIA_VISIBLE_DEVICES=void]',
      '  hooks:',
      '  - {hookName: createContainer, path: /bin/hook, args: [hook, "--x"], timeout: 3}',
      '  mounts:',
      '  - {hostPath: /lib/a.so, containerPath: /lib/b.so, options: [ro, nosuid, nodev, rbind, rprivate]}',
    ].join('\n');
    await write(0, 'a.yaml', yaml);
    await write(
      1,
      'b.json',
      spec('x.org/y', {
        z: { additionalGids: [0, 44], netDevices: [{ hostInterfaceName: 'eth9', name: 'in' }] },
      }),
    );
    const made = await edits(['nvidia.com/gpu=all', 'nvidia.com/gpu=0', 'x.org/y=z']);
    assert.deepEqual(made.env, ['NVIDIA_VISIBLE_DEVICES=void', 'GPU=all']);
    const node = {
      path: '/dev/nvidia0',
      type: 'c',
      major: 1,
      minor: 3,
      fileMode: 0o666,
      isProcessUsers: true,
    };
    assert.deepEqual(made.devices, [node]);
    assert.deepEqual(made.deviceRules, [{ allow: true, type: 'c', major: 1, minor: 3, access: 'rw' }]);
    assert.deepEqual(made.hooks?.createContainer, [{ path: '/bin/hook', args: ['hook', '--x'], timeout: 3 }]);
    const options = ['ro', 'nosuid', 'nodev', 'rbind', 'rprivate'];
    const mount = { destination: '/lib/b.so', source: '/lib/a.so', options };
    assert.deepEqual(made.mounts, [mount]);
    assert.deepEqual([made.additionalGids, made.netDevices], [[44], { eth9: { name: 'in' } }]);
    const { mounts } = await edits(['nvidia.com/gpu=0'], userNamespace);
    assert.deepEqual(mounts, [
      { ...mount, uidMappings: userNamespace.uids, gidMappings: userNamespace.gids },
    ]);
  });

  it('with device nodes as far as they are told', async () => {
    const fifo = join(base, 'fifo');
    execFileSync('mkfifo', ['-m', '600', fifo]);
    const nodes = [
      { path: '/dev/gone', type: 'b', major: 7, minor: 8, uid: 5, permissions: 'none' },
      { path: '/dev/pipe', hostPath: fifo },
      { path: '/dev/zero', fileMode: 0o640, gid: 0 },
      { path: '/dev/full', type: 'c' },
    ];
    await write(0, 'nodes.json', spec('n.org/n', { a: { deviceNodes: nodes } }));
    const made = await edits(['n.org/n=a']);
    const isProcessUsers = true;
    assert.deepEqual(made.devices, [
      { path: '/dev/gone', type: 'b', major: 7, minor: 8, uid: 5, isProcessUsers },
      { path: '/dev/pipe', type: 'p', fileMode: 0o600, isProcessUsers },
      { path: '/dev/zero', type: 'c', major: 1, minor: 5, fileMode: 0o640, gid: 0, isProcessUsers },
      { path: '/dev/full', type: 'c', major: 1, minor: 7, fileMode: 0o666, isProcessUsers },
    ]);
    const accesses = made.deviceRules?.map(({ access }) => access);
    assert.deepEqual(accesses, ['', 'rwm', 'rwm']);
  });

  it('of the later folder, and of nobody when one folder has them twice', async () => {
    await write(0, 'p.json', spec('p.org/p', { a: { env: ['FROM=static'] }, b: { env: ['B=1'] } }));
    await write(1, 'p.json', spec('p.org/p', { a: { env: ['FROM=dynamic'] } }));
    assert.deepEqual((await edits(['p.org/p=a'])).env, ['FROM=dynamic']);
    await write(0, 'q.json', spec('p.org/p', { b: { env: ['B=2'] } }));
    await assert.rejects(edits(['p.org/p=b']), /has the device "p.org\/p=b" \(.*both have "p.org\/p=b"\)/);
  });

  it('are refused with the file and the member where something is not right', async () => {
    const fails = async (own: object, text: RegExp, more: object = {}) => {
      await write(1, 'w.json', { ...spec('w.org/w', { a: own }), ...more });
      await assert.rejects(edits(['w.org/w=a']), text);
    };
    await fails({ env: ['X'] }, /w.json: "devices\[0\].containerEdits.env\[0\]" must be NAME=value/);
    await fails({ dreams: [] }, /has a member "dreams", which is not known/);
    await fails(
      { hooks: [{ hookName: 'later', path: '/x' }] },
      /hooks\[0\].hookName" must be one of prestart/,
    );
    await fails({ hooks: [{ hookName: 'poststop', path: '' }] }, /hooks\[0\].path" is no text/);
    await fails({ deviceNodes: [{ path: '/dev/x', type: 'z' }] }, /type" must be b, c, u or p/);
    await fails({ deviceNodes: [{ path: '/dev/x', permissions: 'q' }] }, /permissions" must be made of/);
    await fails({ deviceNodes: [{ path: '/dev/none-such' }] }, /ENOENT.*none-such/);
    await fails({ deviceNodes: [{ path: '/dev/zero', type: 'b' }] }, /is a device of type c, and not b/);
    await fails({ deviceNodes: [{ path: '/etc/passwd' }] }, /\/etc\/passwd is no device/);
    await fails({ mounts: [{ hostPath: '/x' }] }, /mounts\[0\].containerPath" is no text/);
    await fails({ intelRdt: { closID: 'a/b' } }, /closID" must be the name of a file/);
    await fails({ additionalGids: [-1] }, /additionalGids\[0\]" is no number/);
    await fails({}, /"cdiVersion" is not known/, { cdiVersion: '2.0.0' });
    await write(1, 'w.json', '{ "kind"');
    await assert.rejects(
      edits(['w.org/w=a']),
      /no specification in .* has the device "w.org\/w=a" \(.*w.json: /,
    );
    await assert.rejects(
      cdiEdits(['a.b/c=d'], await readCdiDevices([join(base, 'none')]), undefined),
      /none has the device/,
    );
  });
});
