import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { KernelFiles } from '../../../src/stats/kernel-file.js';
import { until } from '../../support/until.js';

describe('KernelFiles', () => {
  it('has nothing to read of a process that has ended, also before its parent has taken note', async () => {
    const files = new KernelFiles();
    // The program that the shell becomes never asks after the shell's child.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const folder = `/proc/${line.toString().trim()}`;
      await until('its end', () => files.readOnce(`${folder}/stat`)?.includes(') Z ') === true);
      for (const file of ['mountinfo', 'net/dev'])
        assert.equal(files.readOnce(`${folder}/${file}`), undefined);
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  });
});
