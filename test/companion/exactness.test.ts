import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { CompanionNode, noCompanion } from '../support/companion-node.js';
import { hasCapability, mountsOf } from '../support/process-truth.js';
import { refusal, type TestPod } from '../support/test-node.js';

describe('what Docker cannot say, in any pod', { skip: noCompanion }, () => {
  let companion: CompanionNode;
  let pod: TestPod;
  before(async () => {
    companion = await CompanionNode.start();
    pod = await companion.node.pod();
  });
  after(() => companion.node.close());

  it('a container that needs nothing of it is started without', async () => {
    const id = await companion.node.create(pod);
    const { HostConfig } = await companion.node.engine.inspectContainer(id);
    assert.equal(HostConfig.Runtime, 'runc');
  });

  it('ambient capabilities', async () => {
    const security = {
      run_as_user: { value: '1000' },
      capabilities: { add_ambient_capabilities: ['NET_BIND_SERVICE'], drop_capabilities: ['CHOWN'] },
    };
    const { pid } = await companion.node.start(pod, { security });
    for (const set of ['CapAmb', 'CapEff', 'CapPrm', 'CapInh', 'CapBnd'] as const) {
      assert.ok(hasCapability(pid, 'NET_BIND_SERVICE', set), set);
    }
    assert.ok(!hasCapability(pid, 'CHOWN') && !hasCapability(pid, 'KILL', 'CapAmb'));
    const unknown = { capabilities: { add_ambient_capabilities: ['no such'] } };
    assert.equal((await refusal(companion.node.create(pod, { security: unknown }))).code, 'INVALID_ARGUMENT');
  });

  it('mount options, recursively read-only mounts beside them, and what Status tells of both', async () => {
    const folder = join(companion.node.cridock.directory, 'volume');
    mkdirSync(folder);
    const mount = { host_path: folder, container_path: '/v' };
    const options = ['noexec', 'nodev', 'nosuid'];
    const mounts = [
      { ...mount, mount_options: options },
      {
        ...mount,
        container_path: '/r',
        readonly: true,
        recursive_read_only: true,
        mount_options: ['noexec'],
      },
    ];
    const { id, pid } = await companion.node.start(pod, { mounts });
    const seen = mountsOf(pid);
    for (const option of ['rw', ...options]) assert.ok(seen.get('/v')?.options.includes(option), option);
    for (const option of ['ro', 'noexec']) assert.ok(seen.get('/r')?.options.includes(option), option);
    const told = (await companion.node.status(id)).mounts;
    assert.deepEqual(told[0]?.mount_options, options);
    assert.deepEqual([told[1]?.recursive_read_only, told[1]?.mount_options], [true, ['noexec']]);
    const wrong = [{ ...mount, mount_options: ['exec'] }];
    assert.equal((await refusal(companion.node.create(pod, { mounts: wrong }))).code, 'INVALID_ARGUMENT');
  });

  it('recursively read-only mounts where Docker has no word for them', async (t) => {
    if (companion.node.engine.supports('1.44')) {
      t.skip('this Engine has one');
      return;
    }
    const mount = { host_path: companion.node.cridock.directory, container_path: '/r', readonly: true };
    const { id, pid } = await companion.node.start(pod, {
      mounts: [{ ...mount, recursive_read_only: true }],
    });
    assert.ok(mountsOf(pid).get('/r')?.options.includes('ro'));
    assert.equal((await companion.node.status(id)).mounts[0]?.recursive_read_only, true);
  });

  it('huge-page limits, before the first instruction and not after it', async (t) => {
    const [version1, version2] = ['/sys/fs/cgroup/hugetlb', '/sys/fs/cgroup/cgroup.controllers'];
    const isVersion1 = readFileSync('/proc/self/mounts', 'utf8').includes(` ${version1} `);
    if (!isVersion1 && !(existsSync(version2) && readFileSync(version2, 'utf8').includes('hugetlb'))) {
      t.skip('this machine has no controller of huge pages');
      return;
    }
    const resources = { hugepage_limits: [{ page_size: '2MB', limit: 4 * 1024 * 1024 }] };
    const run = `cat /sys/fs/cgroup/${isVersion1 ? 'hugetlb/hugetlb.2MB.limit_in_bytes' : 'hugetlb.2MB.max'}`;
    assert.equal(await companion.node.output(pod, run, { resources }), '4194304\n');
    const { id } = await companion.node.start(pod, { resources });
    const held = readdirSync(join(companion.node.cridock.directory, 'root/limits'));
    assert.ok(!held.some((name) => name.includes(id)), 'nothing is left to be written');
  });

  describe('CDI devices, by their specifications', () => {
    const specification = `/etc/cdi/cridock-test-${process.pid}.yaml`;
    const CDI_devices = [{ name: 'cridock.test/thing=one' }];
    const run = [
      'echo "$FROM_CDI $COMMON"; cat /from-cdi; stat -c "%A %u" /dev/thing; id -G; cat /by-hook/file',
      '(: </dev/thing) && echo readable; (: >/dev/thing) || echo not writable',
    ].join('; ');
    let hookFolder: string;
    before(() => {
      hookFolder = join(companion.node.cridock.directory, 'hook');
      mkdirSync(hookFolder);
      writeFileSync(join(hookFolder, 'mounted'), 'a mount\n');
      // A hook that runs on the node before the program does, and gets the container's state.
      const hook = join(hookFolder, 'hook');
      writeFileSync(hook, `#!/bin/sh\ngrep -q '"bundle"' && echo "$1 $FOR_HOOK" >${hookFolder}/file\n`, {
        mode: 0o755,
      });
      mkdirSync('/etc/cdi', { recursive: true });
      const edits = {
        env: ['FROM_CDI=yes'],
        deviceNodes: [{ path: '/dev/thing', hostPath: '/dev/loop7', permissions: 'r' }],
        mounts: [
          { hostPath: join(hookFolder, 'mounted'), containerPath: '/from-cdi', options: ['ro', 'rbind'] },
        ],
        hooks: [{ hookName: 'createRuntime', path: hook, args: ['hook', 'ran'], env: ['FOR_HOOK=with'] }],
        additionalGids: [4321],
      };
      const spec = {
        cdiVersion: '0.7.0',
        kind: 'cridock.test/thing',
        devices: [
          { name: 'one', containerEdits: edits },
          // The OCI runtime cannot give nodes other names in a user namespace: it mounts the node's own.
          {
            name: 'mapped',
            containerEdits: { ...edits, deviceNodes: [{ path: '/dev/loop7', permissions: 'r' }] },
          },
        ],
        containerEdits: { env: ['COMMON=too'] },
      };
      writeFileSync(specification, stringify(spec));
    });
    after(() => rmSync(specification));
    const mounts = () => [{ host_path: hookFolder, container_path: '/by-hook' }];
    it('in any pod, on any Engine', async () => {
      const words = await companion.node.output(pod, run, { CDI_devices, mounts: mounts() });
      assert.match(words, /^yes too\na mount\nb\S+ 0\n.*\b4321\b.*\nran with\nreadable\n[^]*not writable\n$/);
      const id = await companion.node.create(pod, { CDI_devices });
      const { HostConfig } = await companion.node.engine.inspectContainer(id);
      assert.notEqual(HostConfig.Runtime, 'runc');
    });

    it('for the user that the container has, and by annotations', async () => {
      const annotations = { 'cdi.k8s.io/x': 'cridock.test/thing=one' };
      const security = { run_as_user: { value: '1234' } };
      const words = await companion.node.output(pod, run, { annotations, security, mounts: mounts() });
      assert.match(words, /^yes too\na mount\nb\S+ 1234\n.*\b4321\b.*\nran with\nreadable\n/);
    });

    it('in a user namespace, with the owners of the pod', async (t) => {
      if (!(await companion.node.hasCompanion())) {
        t.skip('no user namespaces on this Engine');
        return;
      }
      const mapped = await companion.pod();
      const cat =
        'echo "$FROM_CDI $COMMON"; stat -c "%u %n" /from-cdi; cat /by-hook/file; stat -c %F /dev/loop7';
      const words = await companion.output(mapped, cat, {
        CDI_devices: [{ name: 'cridock.test/thing=mapped' }],
        mounts: [companion.volume(hookFolder, '/by-hook')],
      });
      assert.match(words, /^yes too\n0 \/from-cdi\nran with\nblock special file\n$/);
    });

    it('are refused where they cannot be had', async () => {
      const other = [{ name: 'cridock.test/thing=two' }];
      const unknown = await refusal(companion.node.create(pod, { CDI_devices: other }));
      assert.equal(unknown.code, 'INVALID_ARGUMENT');
      assert.match(unknown.text, /CDI_devices\[0\].name: no specification in .* has the device/);
      const id = await companion.node.create(pod, { CDI_devices });
      const text = readFileSync(specification, 'utf8');
      writeFileSync(specification, text.replace('cridock.test/thing', 'cridock.test/other'));
      const gone = await refusal(companion.node.runtime.StartContainer({ container_id: id }));
      writeFileSync(specification, text);
      assert.equal(gone.code, 'FAILED_PRECONDITION');
      assert.match(gone.text, /has the device "cridock.test\/thing=one"/);
    });
  });

  it('not in a pod of another runtime', async () => {
    const other = await companion.node.pod({}, 'second-runc');
    const security = { capabilities: { add_ambient_capabilities: ['CHOWN'] } };
    const { code, text } = await refusal(companion.node.create(other, { security }));
    assert.equal(code, 'UNIMPLEMENTED');
    assert.match(text, /add_ambient_capabilities: .*second-runc/);
  });
});
