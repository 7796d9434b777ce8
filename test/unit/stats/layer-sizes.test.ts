import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { deviceOf, upperFolder } from '../../../src/stats/layer-folder.js';
import { LayerSizes } from '../../../src/stats/layer-sizes.js';
import { silentLogger } from '../../../src/util/log.js';
import { until } from '../../support/until.js';

const MIB = 1024 * 1024;
const LOOK_AGAIN_MS = 20;

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'layer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('LayerSizes', () => {
  it('measures a new layer at the next look, and again when its container has ended', async (t) => {
    const folder = makeFolder(t);
    const layers = new LayerSizes(silentLogger, LOOK_AGAIN_MS);
    layers.start();
    t.after(() => layers.stop());
    layers.track('a', folder, true);
    await until('it was measured', () => layers.sizeOf('a') !== undefined);
    writeFileSync(path.join(folder, 'file'), Buffer.alloc(MIB, 1));
    assert.ok((layers.sizeOf('a')?.bytes ?? 0) < MIB, 'not before it is due');
    layers.track('a', folder, false);
    await until('it was measured again', () => (layers.sizeOf('a')?.bytes ?? 0) >= MIB);
    layers.forget('a');
    assert.equal(layers.sizeOf('a'), undefined);
  });

  it('goes on with the others when one cannot be found', async (t) => {
    const folder = makeFolder(t);
    const layers = new LayerSizes(silentLogger, LOOK_AGAIN_MS);
    layers.start();
    t.after(() => layers.stop());
    layers.track('gone', '/nonexistent/layer', true);
    layers.track('there', folder, true);
    await until('the other was measured', () => layers.sizeOf('there') !== undefined);
    assert.equal(layers.sizeOf('gone'), undefined);
  });

  it('spends nothing on what comes and goes between two looks', async (t) => {
    const layers = new LayerSizes(silentLogger);
    layers.start();
    t.after(() => layers.stop());
    const folder = makeFolder(t);
    layers.track('short', folder, true);
    layers.track('short', folder, false);
    await delay(50);
    assert.equal(layers.sizeOf('short'), undefined);
    layers.forget('short');
  });
});

describe('upperFolder', () => {
  it('is the upper folder of the overlay at the root', () => {
    const mountinfo = [
      '411 139 0:123 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/data/a\\040b/diff,workdir=/w',
      '412 411 0:124 / /mnt rw - overlay overlay rw,upperdir=/other/diff',
    ].join('\n');
    assert.equal(upperFolder(mountinfo), '/data/a b/diff');
  });

  it('is unknown for other root filesystems', () => {
    assert.equal(upperFolder('1 0 8:1 / / rw - ext4 /dev/sda1 rw\n'), undefined);
    assert.equal(upperFolder(''), undefined);
  });
});

describe('deviceOf', () => {
  const mountinfo = ['1 0 8:1 / / rw - ext4 /dev/sda1 rw', '2 1 8:2 / /var/lib rw - ext4 /dev/sdb1 rw'].join(
    '\n',
  );

  it('is the device of the innermost mount', () => {
    assert.equal(deviceOf(mountinfo, '/var/lib/docker'), '/dev/sdb1');
    assert.equal(deviceOf(mountinfo, '/var/library'), '/dev/sda1');
  });
});
