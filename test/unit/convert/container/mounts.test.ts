import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  IMAGE_VOLUMES,
  imageVolumesFact,
  parseImageVolumes,
} from '../../../../src/convert/container/image-volume-mounts.js';
import { criMounts, mountSpecs, type MountAbilities } from '../../../../src/convert/container/mounts.js';
import { mountMembers } from '../../../../src/convert/container/relabelled-binds.js';
import type { ContainerInspect, MountPoint, MountSpec } from '../../../../src/docker/types.js';
import type { Mount } from '../../../../src/gen/runtime/v1/Mount.js';
import { MountPropagation } from '../../../../src/gen/runtime/v1/MountPropagation.js';
import { mount } from '../decoded.js';
import { assertRefused } from '../refusals.js';

const all: MountAbilities = {
  supports: () => true,
  recursiveReadOnly: true,
  isAdjusted: false,
  imageFiles: ({ image_sub_path: subPath }) => ({ subPath, folder: `/images/1/${subPath}` }),
};
const old: MountAbilities = { ...all, supports: () => false };
const data = { container_path: '/data', host_path: '/srv/data' };
const { PROPAGATION_HOST_TO_CONTAINER, PROPAGATION_BIDIRECTIONAL } = MountPropagation;

describe('mountSpecs', () => {
  it('binds, and never has Docker make a missing source', () => {
    const [spec] = specs([data]);
    assert.deepEqual(spec, {
      Type: 'bind',
      Source: '/srv/data',
      Target: '/data',
      ReadOnly: false,
      BindOptions: {},
    });
  });

  it('propagates as asked', () => {
    const propagationOf = (propagation: Mount['propagation']) =>
      specs([{ ...data, ...(propagation !== undefined && { propagation }) }])[0]?.BindOptions?.Propagation;
    assert.equal(propagationOf(PROPAGATION_HOST_TO_CONTAINER), 'rslave');
    assert.equal(propagationOf(PROPAGATION_BIDIRECTIONAL), 'rshared');
    // Docker refuses an explicit rprivate for sources that hold its own root.
    assert.equal(propagationOf(undefined), undefined);
    assertRefused(() => propagationOf(42 as 0), 'config.mounts[0].propagation');
  });

  it('reads only, at the top or all the way down', () => {
    const readonly = { ...data, readonly: true };
    assert.deepEqual(specs([readonly])[0]?.BindOptions, { ReadOnlyNonRecursive: true });
    assert.deepEqual(specs([readonly], old)[0]?.BindOptions, {});
    assert.deepEqual(specs([{ ...readonly, recursive_read_only: true }])[0]?.BindOptions, {
      Propagation: 'rprivate',
      ReadOnlyForceRecursive: true,
    });
  });

  it('refuses recursive read-only where it means nothing or cannot be had', () => {
    const field = 'config.mounts[0].recursive_read_only';
    const recursive = { ...data, readonly: true, recursive_read_only: true };
    assertRefused(() => specs([{ ...recursive, readonly: false }]), field);
    assertRefused(() => specs([{ ...recursive, propagation: PROPAGATION_HOST_TO_CONTAINER }]), field);
    assertRefused(() => specs([{ ...recursive, propagation: PROPAGATION_BIDIRECTIONAL }]), field);
    assertRefused(() => specs([recursive], old), `${field}: RROUnsupported`, 'UNIMPLEMENTED');
    const unable = { ...all, recursiveReadOnly: false };
    assertRefused(() => specs([recursive], unable), `${field}: RROUnsupported`, 'UNIMPLEMENTED');
  });

  it('has the last mount of a target win', () => {
    const targets = specs([
      data,
      { ...data, container_path: '/x' },
      { container_path: '/data/', host_path: '/b' },
    ]);
    assert.deepEqual(
      targets.map(({ Source, Target }) => [Source, Target]),
      [
        ['/srv/data', '/x'],
        ['/b', '/data/'],
      ],
    );
  });

  it('mounts images', () => {
    const image = { container_path: '/m', image: { image: 'sha256:1' }, readonly: true };
    assert.deepEqual(specs([{ ...image, image_sub_path: 'a/b' }]), [
      { Type: 'image', Source: 'sha256:1', Target: '/m', ReadOnly: true, ImageOptions: { Subpath: 'a/b' } },
    ]);
    assert.deepEqual(specs([{ ...image, image_sub_path: 'a/b' }], old), [
      { Type: 'bind', Source: '/images/1/a/b', Target: '/m', ReadOnly: true },
    ]);
    assertRefused(() => specs([{ ...image, host_path: '/a' }]), 'config.mounts[0].host_path');
    assertRefused(() => specs([{ ...image, readonly: false }]), 'config.mounts[0].readonly');
    const shared = { ...image, propagation: PROPAGATION_BIDIRECTIONAL };
    assertRefused(() => specs([shared]), 'config.mounts[0].propagation');
    for (const image_sub_path of ['/a', '../a', 'a/..']) {
      assertRefused(() => specs([{ ...image, image_sub_path }]), 'config.mounts[0].image_sub_path');
    }
  });

  it('refuses what is malformed or Docker has not', () => {
    assertRefused(() => specs([data, { host_path: '/a' }]), 'config.mounts[1].container_path');
    assertRefused(() => specs([{ ...data, container_path: '/' }]), 'config.mounts[0].container_path');
    assertRefused(() => specs([{ ...data, container_path: '//' }]), 'config.mounts[0].container_path');
    assertRefused(() => specs([{ container_path: '/a' }]), 'config.mounts[0].host_path');
    assertRefused(() => specs([{ ...data, host_path: 'a' }]), 'config.mounts[0].host_path');
    assertRefused(() => specs([{ ...data, host_path: '/a\0' }]), 'config.mounts[0].host_path');
    assertRefused(() => specs([{ ...data, image_sub_path: 'a' }]), 'config.mounts[0].image_sub_path');
  });
});

describe('criMounts', () => {
  it('gives mounts back as they were asked for', () => {
    const asked: Mount[] = [
      { ...data, propagation: PROPAGATION_HOST_TO_CONTAINER, readonly: true },
      { ...data, container_path: '/b', readonly: true, recursive_read_only: true },
      { container_path: '/m', image: { image: 'sha256:1' }, readonly: true, image_sub_path: 'a' },
    ];
    const told = criMounts(inspect(specs(asked), []), {});
    assert.deepEqual(told.map(mount), [
      mount(asked[0]),
      mount(asked[1]),
      mount({ ...asked[2], image: { image: 'sha256:1', image_ref: 'sha256:1' } }),
    ]);
  });

  it('tells of images as they were asked for', () => {
    const asked: Mount[] = [
      { container_path: '/m', image: { image: 'sha256:1' }, readonly: true, image_sub_path: 'a' },
      { container_path: '/twice', image: { image: 'sha256:1' }, readonly: true },
      { ...data, container_path: '/twice' },
    ];
    const fact = imageVolumesFact(asked.map(mount));
    const told = criMounts(inspect(specs(asked, old), []), parseImageVolumes(fact[IMAGE_VOLUMES]));
    assert.deepEqual(told.map(mount), [
      mount({ ...asked[0], image: { image: 'sha256:1', image_ref: 'sha256:1' } }),
      mount(asked[2]),
    ]);
    assert.deepEqual(imageVolumesFact([mount(data)]), {});
    for (const text of [undefined, '', 'null', '[1]', '{"/m":{"image":1}}']) {
      assert.deepEqual(parseImageVolumes(text), {});
    }
  });

  it("reads the binds of cri-dockerd's older versions, and no volumes of the image", () => {
    const bind = { Type: 'bind', Source: '/a', Destination: '/b', RW: false, Propagation: 'rshared' };
    const volume = { Type: 'volume', Source: '/v', Destination: '/v', RW: true };
    assert.deepEqual(criMounts(inspect(null, [bind, volume]), {}), [
      { container_path: '/b', host_path: '/a', readonly: true, propagation: PROPAGATION_BIDIRECTIONAL },
    ]);
  });
});

function specs(mounts: Mount[], abilities = all): MountSpec[] {
  return mountSpecs(mounts.map(mount), abilities);
}

function inspect(
  Mounts: MountSpec[] | null,
  points: MountPoint[],
): Pick<ContainerInspect, 'HostConfig' | 'Mounts'> {
  return { HostConfig: { Mounts }, Mounts: points };
}

describe('mountMembers', () => {
  const relabelled = { ...data, selinux_relabel: true };

  it('relabels by the form that Docker has for it, where there is SELinux', () => {
    const propagation = PROPAGATION_HOST_TO_CONTAINER;
    const made = (changes: Mount, hasSelinux = true) =>
      mountMembers(
        [mount({ ...relabelled, ...changes }), mount({ ...data, container_path: '/other' })],
        all,
        hasSelinux,
      );
    assert.deepEqual(made({}).Binds, ['/srv/data:/data:Z']);
    assert.deepEqual(made({ readonly: true, propagation }).Binds, ['/srv/data:/data:Z,ro,rslave']);
    assert.deepEqual(
      made({}).Mounts.map(({ Target }) => Target),
      ['/other'],
    );
    assert.equal(made({}, false).Binds, undefined);
    assert.equal(made({}, false).Mounts.length, 2);
  });

  it('refuses what that form cannot say', () => {
    const refuse = (change: Mount, field: string, code?: 'UNIMPLEMENTED') => {
      assertRefused(
        () => mountMembers([mount({ ...relabelled, ...change })], all, true),
        `config.mounts[0].${field}`,
        code,
      );
    };
    refuse({ host_path: '/a:b' }, 'host_path');
    refuse({ readonly: true, recursive_read_only: true }, 'recursive_read_only', 'UNIMPLEMENTED');
  });
});
