import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findServiceUnits } from '../../../src/unit/service-unit.js';

describe('findServiceUnits', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cridock-units-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('has the flags that a unit takes from all its files of variables', async () => {
    const path = (name: string): string => join(directory, name);
    writeFileSync(path('unit'), '[Service]\nExecStart=/usr/bin/cri-dockerd $NETWORK ${ENDPOINT}\n');
    writeFileSync(path('one'), 'NETWORK="--network-plugin=cni --pod-cidr=10.0.0.0/8"\n');
    writeFileSync(path('other'), 'ENDPOINT=fd://\n');
    const shown = `Id=cri-docker.service\nLoadState=loaded\nActiveState=active\nMainPID=0\nFragmentPath=${path('unit')}\nEnvironmentFiles=${path('one')} (ignore_errors=yes)\nEnvironmentFiles=${path('other')} (ignore_errors=no)\n`;
    const [unit] = await findServiceUnits(['/usr/bin/cridock'], {
      systemctl: () => Promise.resolve(shown),
      proc: directory,
    });
    assert.deepEqual(unit?.words, [
      '/usr/bin/cri-dockerd',
      '--network-plugin=cni',
      '--pod-cidr=10.0.0.0/8',
      'fd://',
    ]);
  });
});
