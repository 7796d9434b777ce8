import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LinuxContainerSecurityContext } from '../../../../src/gen/runtime/v1/LinuxContainerSecurityContext.js';
import type { LinuxSandboxSecurityContext } from '../../../../src/gen/runtime/v1/LinuxSandboxSecurityContext.js';
import { NamespaceMode } from '../../../../src/gen/runtime/v1/NamespaceMode.js';
import { _runtime_v1_SecurityProfile_ProfileType as ProfileType } from '../../../../src/gen/runtime/v1/SecurityProfile.js';
import { noEngine } from '../../../support/cridock-process.js';
import { hasCapability, identityOf, mountsOf, statusOf } from '../../../support/process-truth.js';
import { refusal, TestNode, WITH_COMPANION, type TestPod } from '../../../support/test-node.js';

/** `/proc/<pid>/status` Seccomp: 2 is a filter. */
const FILTERED = '2';
const NOT_FILTERED = '0';

/** Refuses mkdir with EPERM, allows all else. */
const NO_MKDIR = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
};

describe('security context of a container', { skip: noEngine }, () => {
  let node: TestNode;
  let pod: TestPod;
  let privilegedPod: TestPod;
  let profile: string;

  before(async () => {
    node = await TestNode.start();
    profile = join(node.cridock.directory, 'no-mkdir.json');
    await writeFile(profile, JSON.stringify(NO_MKDIR));
    pod = await node.pod();
    privilegedPod = await node.pod({ linux: { security_context: { privileged: true } } });
  });
  after(async () => {
    await node.close();
  });

  const start = (security: LinuxContainerSecurityContext) => node.start(pod, { security });
  const refuse = async (
    security: LinuxContainerSecurityContext,
    code: string,
    field: string,
  ): Promise<void> => {
    const refused = await refusal(node.create(pod, { security }));
    assert.equal(refused.code, code, refused.text);
    assert.ok(refused.text.includes(field), refused.text);
  };

  it('capabilities: add and drop, with CAP_ and without, and ALL', async () => {
    const some = await start({
      capabilities: { add_capabilities: ['SYS_TIME', 'CAP_NET_ADMIN'], drop_capabilities: ['CHOWN'] },
    });
    for (const name of ['SYS_TIME', 'NET_ADMIN']) assert.ok(hasCapability(some.pid, name), name);
    assert.ok(!hasCapability(some.pid, 'CHOWN'));
    const none = await start({ capabilities: { drop_capabilities: ['ALL'] } });
    assert.equal(statusOf(none.pid).get('CapBnd'), '0'.repeat(16));
    const one = await start({ capabilities: { add_capabilities: ['KILL'], drop_capabilities: ['ALL'] } });
    assert.equal(BigInt(`0x${statusOf(one.pid).get('CapEff') ?? ''}`), 1n << 5n);
    await refuse({ capabilities: { add_capabilities: ['NO_SUCH'] } }, 'INVALID_ARGUMENT', 'NO_SUCH');
    if (node.noAllCapabilities !== undefined) return;
    const all = await start({
      capabilities: { add_capabilities: ['ALL'], drop_capabilities: ['CAP_MKNOD'] },
    });
    assert.ok(hasCapability(all.pid, 'SYS_ADMIN') && !hasCapability(all.pid, 'MKNOD'));
  });

  it('add_ambient_capabilities are refused without the companion runtime', async (t) => {
    if (await node.hasCompanion()) {
      t.skip(WITH_COMPANION);
      return;
    }
    const capabilities = { add_ambient_capabilities: ['CHOWN'] };
    await refuse({ capabilities }, 'UNIMPLEMENTED', 'add_ambient_capabilities');
  });

  it('privileged', async (t) => {
    await refuse({ privileged: true }, 'INVALID_ARGUMENT', 'privileged');
    if (node.noAllCapabilities !== undefined) {
      t.skip(node.noAllCapabilities);
      return;
    }
    const { pid } = await node.start(privilegedPod, { security: { privileged: true } });
    assert.ok(hasCapability(pid, 'SYS_ADMIN', 'CapEff'));
    assert.equal(statusOf(pid).get('Seccomp'), NOT_FILTERED);
    const mounts = mountsOf(pid);
    assert.ok(!mounts.has('/proc/keys') && mounts.get('/sys')?.options.includes('rw'));
    const plain = await node.start(privilegedPod);
    assert.ok(!hasCapability(plain.pid, 'SYS_ADMIN'));
  });

  it("privileged: /sys of the pod's network is writable, and for the others of the pod it is not", async (t) => {
    if (node.noAllCapabilities !== undefined) {
      t.skip(node.noAllCapabilities);
      return;
    }
    const writes = 'v=$(cat /sys/kernel/mm/ksm/run) && echo $v >/sys/kernel/mm/ksm/run && echo written';
    const before = await node.output(privilegedPod, writes);
    assert.match(before, /Read-only file system/);
    assert.equal(await node.output(privilegedPod, writes, { security: { privileged: true } }), 'written\n');
    assert.match(await node.output(privilegedPod, writes), /Read-only file system/);
    assert.ok(mountsOf(privilegedPod.pid).get('/sys')?.options.includes('ro'));
  });

  it('no_new_privs', async () => {
    assert.equal(statusOf((await start({ no_new_privs: true })).pid).get('NoNewPrivs'), '1');
    assert.equal(
      statusOf((await start({ seccomp: { profile_type: ProfileType.Unconfined } })).pid).get('NoNewPrivs'),
      '0',
    );
  });

  it('readonly_rootfs', async () => {
    assert.match(
      await node.output(pod, 'touch /new && echo made', { security: { readonly_rootfs: true } }),
      /Read-only/,
    );
    assert.match(await node.output(pod, 'touch /new && echo made'), /made/);
  });

  it('masked_paths and readonly_paths, also none', async () => {
    const some = mountsOf(
      (await start({ masked_paths: ['/proc/version', '/etc'], readonly_paths: ['/proc/sys'] })).pid,
    );
    assert.ok(some.has('/proc/version') && some.get('/etc')?.options.includes('ro'));
    assert.equal(some.get('/etc')?.type, 'tmpfs');
    assert.ok(some.get('/proc/sys')?.options.includes('ro'));
    assert.ok(!some.has('/proc/keys'), 'only what was asked for');
    const none = mountsOf((await start({})).pid);
    assert.deepEqual(
      [...none.keys()].filter((target) => target.startsWith('/proc/')),
      [],
    );
  });

  it('seccomp: RuntimeDefault, Unconfined, Localhost with the profile as it is', async () => {
    const filter = async (security: LinuxContainerSecurityContext) =>
      statusOf((await start(security)).pid).get('Seccomp');
    assert.equal(await filter({ seccomp: { profile_type: ProfileType.RuntimeDefault } }), FILTERED);
    assert.equal(await filter({ seccomp: { profile_type: ProfileType.Unconfined } }), NOT_FILTERED);
    assert.equal(await filter({}), NOT_FILTERED);
    const seccomp = { profile_type: ProfileType.Localhost, localhost_ref: profile };
    assert.match(await node.output(pod, 'mkdir /x || echo refused', { security: { seccomp } }), /refused/);
    const info = await node.engine.inspectContainer((await start({ seccomp })).id);
    assert.ok(info.HostConfig.SecurityOpt?.includes(`seccomp=${JSON.stringify(NO_MKDIR)}`));
  });

  it('seccomp: a profile that refuses everything is kept', async () => {
    const path = join(node.cridock.directory, 'deny-all.json');
    await writeFile(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO' }));
    const seccomp = { profile_type: ProfileType.Localhost, localhost_ref: path };
    const id = await node.create(pod, { security: { seccomp } });
    await assert.rejects(node.runtime.StartContainer({ container_id: id }));
  });

  it('seccomp: a missing or broken profile is refused', async () => {
    const broken = join(node.cridock.directory, 'broken.json');
    await writeFile(broken, '{');
    for (const path of [broken, '/no/such/profile', 'relative']) {
      const seccomp = { profile_type: ProfileType.Localhost, localhost_ref: path };
      await refuse({ seccomp }, 'INVALID_ARGUMENT', 'seccomp');
    }
    await refuse({ seccomp: { profile_type: 7 as never } }, 'INVALID_ARGUMENT', 'seccomp.profile_type');
  });

  it('seccomp_profile_path: the old field, where the new one is unset', async () => {
    const filter = async (path: string) =>
      statusOf((await start({ seccomp_profile_path: path })).pid).get('Seccomp');
    assert.equal(await filter('runtime/default'), FILTERED);
    assert.equal(await filter('docker/default'), FILTERED);
    assert.equal(await filter('unconfined'), NOT_FILTERED);
    assert.equal(await filter(`localhost/${profile}`), FILTERED);
    await refuse({ seccomp_profile_path: 'nonsense' }, 'INVALID_ARGUMENT', 'seccomp_profile_path');
  });

  it('apparmor and apparmor_profile: a profile by name is refused where there is no AppArmor', async () => {
    const options = (await node.engine.info()).SecurityOptions ?? [];
    if (options.some((option) => option.startsWith('name=apparmor'))) return;
    const apparmor = { profile_type: ProfileType.Localhost, localhost_ref: 'mine' };
    await refuse({ apparmor }, 'INVALID_ARGUMENT', 'apparmor');
    await refuse({ apparmor_profile: 'localhost/mine' }, 'INVALID_ARGUMENT', 'apparmor');
    for (const profile_type of [ProfileType.RuntimeDefault, ProfileType.Unconfined])
      await start({ apparmor: { profile_type } });
    await start({ apparmor_profile: 'runtime/default' });
  });

  it('selinux_options: reach the Engine; a kernel without SELinux has no label to give', async (t) => {
    const selinux_options = { user: 'u', role: 'r', type: 't', level: 's0:c1,c2' };
    if (existsSync('/sys/fs/selinux/enforce')) {
      t.skip('what the labels confine is for a machine with a policy to show');
      return;
    }
    const { id, pid } = await start({ selinux_options });
    const { HostConfig } = await node.engine.inspectContainer(id);
    assert.deepEqual(
      HostConfig.SecurityOpt?.filter((option) => option.startsWith('label=')),
      ['label=user:u', 'label=role:r', 'label=type:t', 'label=level:s0:c1,c2'],
    );
    assert.throws(() => readFileSync(`/proc/${pid}/attr/current`), /EINVAL/);
  });

  it('userns_options are refused without the companion runtime, and the feature flags say so', async (t) => {
    if (await node.hasCompanion()) {
      t.skip(WITH_COMPANION);
      return;
    }
    const mapping = { host_id: 1, container_id: 0, length: 1 };
    const userns_options = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
    await refuse({ namespace_options: { userns_options } }, 'INVALID_ARGUMENT', 'userns_options');
    const { runtime_handlers: handlers, features } = await node.runtime.Status({});
    assert.ok(features);
    assert.ok(handlers.every((handler) => handler.features?.user_namespaces === false));
    assert.equal(features.user_namespaces_host_network, false);
    assert.equal(features.supplemental_groups_policy, true);
  });
});

describe('security context of a pod sandbox', { skip: noEngine }, () => {
  let node: TestNode;

  before(async () => {
    node = await TestNode.start();
  });
  after(async () => {
    await node.close();
  });
  const sandbox = (security_context: LinuxSandboxSecurityContext) =>
    node.pod({ linux: { security_context } });

  it('run_as_user, run_as_group, supplemental_groups', async () => {
    const { pid } = await sandbox({
      run_as_user: { value: 1000 },
      run_as_group: { value: 7 },
      supplemental_groups: ['60000'],
    });
    const { uid, gid, groups } = identityOf(pid);
    assert.deepEqual([uid, gid], [1000, 7]);
    assert.ok(groups.includes(60000));
    assert.match((await refusal(sandbox({ run_as_group: { value: 1 } }))).text, /run_as_group/);
  });

  it('supplemental_groups_policy: the pause image has no groups, an unknown policy is refused', async () => {
    for (const supplemental_groups_policy of [0, 1] as const) {
      const { pid } = await sandbox({
        run_as_user: { value: 1000 },
        supplemental_groups: ['60000'],
        supplemental_groups_policy,
      });
      assert.deepEqual(
        identityOf(pid).groups.filter((group) => group !== 0),
        [60000],
      );
    }
    const { code, text } = await refusal(sandbox({ supplemental_groups_policy: 9 as never }));
    assert.equal(code, 'INVALID_ARGUMENT');
    assert.match(text, /supplemental_groups_policy/);
  });

  it('selinux_options: reach the Engine', async () => {
    const { id } = await sandbox({ selinux_options: { type: 't', level: 's0:c3' } });
    const { HostConfig } = await node.engine.inspectContainer(id);
    const labels = HostConfig.SecurityOpt?.filter((option) => option.startsWith('label='));
    assert.deepEqual(labels, ['label=type:t', 'label=level:s0:c3']);
  });

  it('seccomp, by the new field and the old one', async () => {
    const filter = async (context: LinuxSandboxSecurityContext) =>
      statusOf((await sandbox(context)).pid).get('Seccomp');
    assert.equal(await filter({ seccomp: { profile_type: ProfileType.RuntimeDefault } }), FILTERED);
    assert.equal(await filter({ seccomp: { profile_type: ProfileType.Unconfined } }), NOT_FILTERED);
    assert.equal(await filter({ seccomp_profile_path: 'unconfined' }), NOT_FILTERED);
    const seccomp = { profile_type: ProfileType.Localhost, localhost_ref: '/no/such/profile' };
    assert.equal((await refusal(sandbox({ seccomp }))).code, 'INVALID_ARGUMENT');
  });

  it('readonly_rootfs', async () => {
    const { pid } = await sandbox({ readonly_rootfs: true });
    assert.ok(mountsOf(pid).get('/')?.options.includes('ro'));
  });

  it('a privileged sandbox gives its own process no privileges', async () => {
    const { pid } = await sandbox({ privileged: true });
    assert.ok(!hasCapability(pid, 'SYS_ADMIN'));
  });

  it('apparmor by name is refused where there is no AppArmor', async () => {
    const options = (await node.engine.info()).SecurityOptions ?? [];
    if (options.some((option) => option.startsWith('name=apparmor'))) return;
    const apparmor = { profile_type: ProfileType.Localhost, localhost_ref: 'mine' };
    assert.match((await refusal(sandbox({ apparmor }))).text, /apparmor/);
  });
});
