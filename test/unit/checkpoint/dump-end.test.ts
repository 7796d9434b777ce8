import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dumpEnded } from '../../../src/checkpoint/dump-end.js';

describe('the end of what was begun before', () => {
  it('is looked for ever more rarely, as each look reads all of /proc', async (t) => {
    const work = mkdtempSync(join(tmpdir(), 'cridock-dump-'));
    t.after(() => rmSync(work, { recursive: true }));
    const hung = spawn('sleep', ['infinity'], { stdio: 'ignore', detached: true });
    t.after(() => hung.kill('SIGKILL'));
    writeFileSync(join(work, 'process'), readFileSync(`/proc/${hung.pid}/stat`));
    const pauses: number[] = [];
    await dumpEnded(work, async (pauseMs) => {
      pauses.push(pauseMs);
      if (pauses.length < 8) return;
      hung.kill('SIGKILL');
      if (hung.exitCode === null && hung.signalCode === null) await once(hung, 'exit');
    });
    assert.deepEqual(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });
});
