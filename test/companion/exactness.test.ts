import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
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

  it('not in a pod of another runtime', async () => {
    const other = await companion.node.pod({}, 'second-runc');
    const security = { capabilities: { add_ambient_capabilities: ['CHOWN'] } };
    const { code, text } = await refusal(companion.node.create(other, { security }));
    assert.equal(code, 'UNIMPLEMENTED');
    assert.match(text, /add_ambient_capabilities: .*second-runc/);
  });
});
