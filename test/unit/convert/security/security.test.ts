import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  containerSecurity,
  localSeccompProfilePath,
  type SecuritySurroundings,
} from '../../../../src/convert/security/security.js';
import type { LinuxContainerSecurityContext } from '../../../../src/gen/runtime/v1/LinuxContainerSecurityContext.js';
import { _runtime_v1_SecurityProfile_ProfileType as ProfileType } from '../../../../src/gen/runtime/v1/SecurityProfile.js';
import { securityContext } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const surroundings: SecuritySurroundings = {
  podPrivileged: true,
  cgroupVersion: 2,
  seccompProfileText: undefined,
};
const FIELD = 'config.linux.security_context';
const localFile = { profile_type: ProfileType.Localhost, localhost_ref: '/profiles/p.json' };

describe('containerSecurity', () => {
  it("leaves Docker's defaults where there is no security context", () => {
    assert.deepEqual(containerSecurity(null, surroundings), {});
  });

  it('passes capabilities, paths and flags exactly', () => {
    const settings = build({
      capabilities: { add_capabilities: ['NET_ADMIN'], drop_capabilities: ['ALL'] },
      masked_paths: ['/proc/kcore'],
      no_new_privs: true,
      readonly_rootfs: true,
    });
    assert.deepEqual(settings, {
      Privileged: false,
      CapAdd: ['NET_ADMIN'],
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'],
      ReadonlyRootfs: true,
      MaskedPaths: ['/proc/kcore'],
      ReadonlyPaths: [],
    });
  });

  it('takes seccomp in the new and the deprecated form', () => {
    const seccomp = (change: LinuxContainerSecurityContext) => build(change).SecurityOpt;
    assert.deepEqual(seccomp({ seccomp: { profile_type: ProfileType.RuntimeDefault } }), []);
    assert.deepEqual(seccomp({ seccomp: { profile_type: ProfileType.Unconfined } }), ['seccomp=unconfined']);
    assert.deepEqual(seccomp({ seccomp_profile_path: 'runtime/default' }), []);
    assert.deepEqual(seccomp({ seccomp_profile_path: 'docker/default' }), []);
    assert.deepEqual(seccomp({ seccomp_profile_path: 'unconfined' }), ['seccomp=unconfined']);
    const newFirst = {
      seccomp: { profile_type: ProfileType.RuntimeDefault },
      seccomp_profile_path: 'unconfined',
    };
    assert.deepEqual(seccomp(newFirst), []);
  });

  it('inlines a local seccomp profile byte by byte', () => {
    for (const change of [{ seccomp: localFile }, { seccomp_profile_path: 'localhost//profiles/p.json' }]) {
      assert.equal(localSeccompProfilePath(securityContext(change)), '/profiles/p.json');
      const text = '{ "defaultAction": "SCMP_ACT_ERRNO", "archMap": [] }\n';
      const { SecurityOpt } = containerSecurity(securityContext(change), {
        ...surroundings,
        seccompProfileText: text,
      });
      assert.deepEqual(SecurityOpt, [`seccomp=${text}`]);
    }
    const broken = { ...surroundings, seccompProfileText: '{' };
    assertRefused(
      () => containerSecurity(securityContext({ seccomp: localFile }), broken),
      `${FIELD}.seccomp.localhost_ref`,
    );
  });

  it('takes AppArmor in the new and the deprecated form', () => {
    const apparmor = (change: LinuxContainerSecurityContext) =>
      build({ ...change, seccomp: { profile_type: ProfileType.RuntimeDefault } }).SecurityOpt;
    assert.deepEqual(apparmor({ apparmor: { profile_type: ProfileType.RuntimeDefault } }), []);
    assert.deepEqual(apparmor({ apparmor: { profile_type: ProfileType.Unconfined } }), [
      'apparmor=unconfined',
    ]);
    const local = { profile_type: ProfileType.Localhost, localhost_ref: 'mine' };
    assert.deepEqual(apparmor({ apparmor: local }), ['apparmor=mine']);
    assert.deepEqual(apparmor({ apparmor_profile: 'localhost/mine' }), ['apparmor=mine']);
    assert.deepEqual(apparmor({ apparmor_profile: 'runtime/default' }), []);
  });

  it('sets SELinux labels', () => {
    const seccomp = { profile_type: ProfileType.RuntimeDefault };
    const selinux_options = { user: 'u', role: 'r', type: 't', level: 's0:c1' };
    assert.deepEqual(build({ seccomp, selinux_options }).SecurityOpt, [
      'label=user:u',
      'label=role:r',
      'label=type:t',
      'label=level:s0:c1',
    ]);
  });

  it('makes a privileged container, in a pod that allows it', () => {
    const privileged = { privileged: true, seccomp: localFile, masked_paths: ['/proc/kcore'] };
    assert.equal(localSeccompProfilePath(securityContext(privileged)), undefined);
    assert.deepEqual(build(privileged), {
      Privileged: true,
      CapAdd: [],
      CapDrop: [],
      SecurityOpt: [],
      ReadonlyRootfs: false,
      CgroupnsMode: 'host',
    });
    const inOtherPod = { ...surroundings, podPrivileged: false };
    assertRefused(() => containerSecurity(securityContext(privileged), inOtherPod), `${FIELD}.privileged`);
  });

  it('refuses what is malformed or cannot be had', () => {
    assertRefused(() => build({ seccomp: { profile_type: 7 as 0 } }), `${FIELD}.seccomp.profile_type`);
    assertRefused(
      () => build({ seccomp: { profile_type: ProfileType.Localhost } }),
      `${FIELD}.seccomp.localhost_ref`,
    );
    const relative = { ...localFile, localhost_ref: 'p.json' };
    assertRefused(() => build({ seccomp: relative }), `${FIELD}.seccomp.localhost_ref`);
    assertRefused(() => build({ seccomp_profile_path: 'nonsense' }), `${FIELD}.seccomp_profile_path`);
    assertRefused(() => build({ apparmor_profile: 'nonsense' }), `${FIELD}.apparmor_profile`);
  });
});

function build(change: LinuxContainerSecurityContext) {
  return containerSecurity(securityContext(change), surroundings);
}
