import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isProfileLoaded } from '../../../src/node/apparmor-profiles.js';
import { hasSelinux } from '../../../src/node/selinux.js';

describe('what is looked up on the node', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lookups-'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('AppArmor profiles by their whole name', async () => {
    const path = join(folder, 'profiles');
    await writeFile(path, 'docker-default (enforce)\nmine (v2) (complain)\n');
    assert.equal(await isProfileLoaded('docker-default', path), true);
    assert.equal(await isProfileLoaded('mine (v2)', path), true);
    assert.equal(await isProfileLoaded('docker', path), false);
    assert.equal(await isProfileLoaded('docker', join(folder, 'none')), undefined);
  });

  it('SELinux by its file in /sys', async () => {
    const path = join(folder, 'enforce');
    assert.equal(await hasSelinux(path), false);
    await writeFile(path, '1');
    assert.equal(await hasSelinux(path), true);
  });
});
