import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runProgram } from '../../../src/util/run-program.js';
import { until } from '../../support/until.js';

const PATIENCE_MS = 60_000;

describe('a program that is run', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'run-program-'));
  });
  after(() => rm(folder, { recursive: true }));

  const shell = (script: string, timeoutMs = PATIENCE_MS) =>
    runProgram('sh', ['-c', script], { timeoutMs, cwd: folder, env: { WORD: 'word' } });

  it('has its output told, or why it failed', async () => {
    assert.deepEqual(await shell('echo $WORD; echo more >&2'), { stdout: 'word\n', stderr: 'more\n' });
    await assert.rejects(shell('echo no such thing >&2; exit 3'), /no such thing/);
    await assert.rejects(runProgram('/no/such/file', [], { timeoutMs: PATIENCE_MS }), /ENOENT/);
  });

  it('is killed when it takes too long, also one that does not care to be asked to end', async () => {
    const stubborn = "trap '' TERM; while :; do sleep 0.05; done";
    await assert.rejects(shell(stubborn, 200), /^Error: sh has not ended within 200 ms$/);
  });

  /** As one that the kernel holds, in the middle of a read from a disk that is gone: no signal ends it. */
  it('is not waited for when it does not end of that', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] }); // our own clock; the one that kills it is Node's
    const ran = assert.rejects(shell('echo $$ >pid; exec sleep 600'), /has not ended/);
    t.mock.timers.tick(PATIENCE_MS + 2_000);
    t.mock.timers.reset();
    await ran;
    const pid = (): Promise<string> => readFile(join(folder, 'pid'), 'utf8').catch(() => '');
    await until('it to run', async () => (await pid()).endsWith('\n'));
    process.kill(Number(await pid()), 'SIGKILL'); // throws where it has gone
  });
});
