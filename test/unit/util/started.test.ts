import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { started } from '../../../src/util/started.js';

/** Has no descriptors left, then starts a process with pipes; prints what comes of it. */
const SCRIPT = `
const { openSync } = await import('node:fs');
const { spawn } = await import('node:child_process');
const { started } = await import(process.argv[1]);
try { for (;;) openSync('/dev/null'); } catch {}
await started(spawn('true', [], { stdio: ['pipe', 'pipe', 'pipe'] })).then(
  () => process._rawDebug('started'),
  (error) => process._rawDebug(error.code + ' ' + error.message),
);`;

describe('a process that is started', () => {
  it('is the child, or what it failed with', async () => {
    const child = await started(spawn('true'));
    assert.ok(child.pid !== undefined);
    await assert.rejects(started(spawn('/no/such/program')), { code: 'ENOENT' });
  });

  it('cannot be had without descriptors: RESOURCE_EXHAUSTED says so', () => {
    const module = new URL('../../../src/util/started.js', import.meta.url).href;
    const shell = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2" 2>&1';
    const output = execFileSync('sh', ['-c', shell, process.execPath, SCRIPT, module], { encoding: 'utf8' });
    assert.equal(output, '8 true cannot be started: cridock has no file descriptors left (EMFILE)\n');
  });
});
