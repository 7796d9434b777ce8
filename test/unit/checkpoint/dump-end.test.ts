import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dumpEnded, isDumping } from '../../../src/checkpoint/dump-end.js';

/** Has no descriptors left, then looks whether a work folder's process is at it; prints what comes of it. */
const SCRIPT = `
const { openSync } = await import('node:fs');
const { isDumping } = await import(process.argv[1]);
try { for (;;) openSync('/dev/null'); } catch {}
await isDumping(process.argv[2]).then((is) => process._rawDebug(is));`;

describe('the end of what was begun before', () => {
  it('is not seen where nothing can be read', async (t) => {
    const work = mkdtempSync(join(tmpdir(), 'cridock-dump-'));
    t.after(() => rmSync(work, { recursive: true }));
    const module = new URL('../../../src/checkpoint/dump-end.js', import.meta.url).href;
    const shell = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2" "$3" 2>&1';
    const words = ['-c', shell, process.execPath, SCRIPT, module, work];
    assert.equal(await isDumping(work), false);
    assert.equal(execFileSync('sh', words, { encoding: 'utf8' }), 'true\n');
  });

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
