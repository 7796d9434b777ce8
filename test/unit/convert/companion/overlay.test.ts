import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imageOverlay, rootOverlay } from '../../../../src/convert/companion/overlay.js';
import { parseMountinfo } from '../../../../src/convert/text/mountinfo.js';

const HOME = '/var/lib/docker/overlay2';
const SNAPSHOTS = '/var/lib/docker/containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots';
const MERGED = `${HOME}/abc/merged`;
const TARGET = '/run/cridock/rootfs';

function mounted(path: string, options: string, root = '/') {
  return parseMountinfo(
    [
      '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw',
      '2 1 0:9 / /run rw shared:2 - tmpfs tmpfs rw',
      `3 1 0:42 ${root} ${path} rw,relatime shared:3 - overlay overlay ${options}`,
    ].join('\n'),
  );
}
const root = (options: string) => rootOverlay(mounted(MERGED, options), MERGED, TARGET);

describe('the overlay of a root file system', () => {
  it('has the layers of Docker below one folder, and a work folder of its own', () => {
    const paths = `lowerdir=${HOME}/l/AAA:${HOME}/l/BBB,upperdir=${HOME}/abc/diff,workdir=${HOME}/abc/work`;
    assert.deepEqual(root(`rw,seclabel,context="a:b,c",${paths},uuid=on,index=off`), {
      layers: HOME,
      data: 'lowerdir=l/AAA:l/BBB,upperdir=abc/diff,workdir=abc/cridock-work,context="a:b,c",index=off',
      work: 'abc/cridock-work',
      sub: '',
      target: TARGET,
      holder: '/run',
      isHolderShared: true,
      origin: MERGED,
    });
  });

  it('is the same where paths are too long for Docker to give in full', () => {
    const { layers, data } = root('rw,lowerdir=l/AAA:l/BBB,upperdir=abc/diff,workdir=abc/work');
    assert.deepEqual(
      [layers, data],
      [HOME, 'lowerdir=l/AAA:l/BBB,upperdir=abc/diff,workdir=abc/cridock-work'],
    );
  });

  it("is the same in containerd's store, which gives some in full", () => {
    const path = '/var/lib/docker/rootfs/overlayfs/abc';
    const options = `rw,lowerdir=3/fs:2/fs,upperdir=${SNAPSHOTS}/4/fs,workdir=${SNAPSHOTS}/4/work`;
    const { layers, data, work } = rootOverlay(mounted(path, options), path, TARGET);
    assert.deepEqual([layers, work], [SNAPSHOTS, '4/cridock-work']);
    assert.equal(data, 'lowerdir=3/fs:2/fs,upperdir=4/fs,workdir=4/cridock-work');
  });

  it('is refused where something is not as it is known', () => {
    const paths = `upperdir=${HOME}/abc/diff,workdir=${HOME}/abc/work`;
    assert.throws(() => root(`rw,lowerdir=/elsewhere/x,${paths}`), /not below/);
    assert.throws(() => root(`rw,lowerdir=${HOME}/../x,${paths}`), /cannot be used/);
    assert.throws(() => root(`rw,lowerdir=${HOME}/a\\054b,${paths}`), /cannot be used/);
    assert.throws(() => root(`rw,lowerdir=${HOME}/l/A,unheard=of,${paths}`), /unheard=of/);
    assert.throws(() => root(`rw,lowerdir=${HOME}/l/A`), /no upper layer/);
    assert.throws(
      () => root(`rw,lowerdir=${Array(500).fill('l/ABCDEFGH').join(':')},${paths}`),
      /too many layers/,
    );
    assert.throws(() => rootOverlay(mounted(MERGED, `rw,${paths}`), '/srv/vfs', TARGET), /not on overlayfs/);
    assert.throws(
      () => rootOverlay(mounted(MERGED, `rw,${paths}`), `${MERGED}/x`, TARGET),
      /where it was mounted/,
    );
  });
});

describe('the overlay of an image', () => {
  it('is read-only, and shows the part that was asked for in the place of the mount', () => {
    const path = '/var/lib/docker/tmp/safe-mount1';
    const options = `rw,lowerdir=${HOME}/l/AAA,upperdir=${HOME}/img/diff,workdir=${HOME}/img/work`;
    assert.deepEqual(imageOverlay(mounted(path, options, '/etc/x'), path), {
      layers: HOME,
      data: 'lowerdir=img/diff:l/AAA',
      sub: 'etc/x',
      target: path,
      holder: path,
      isHolderShared: true,
    });
  });
});
