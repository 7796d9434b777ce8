import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DumpProcess, dumpEnded } from '../../../src/checkpoint/dump-process.js';
import { plainContainer } from '../../support/plain-container.js';
import { until } from '../../support/until.js';

const NEVER = new AbortController().signal;

describe('DumpProcess', () => {
  it('a container that has frozen before anybody asked is frozen: several are started one after the other', async (t) => {
    const one = plainContainer(t);
    const process = await DumpProcess.start(one);
    await until('it to freeze', () => one.state() === 'frozen');
    await delay(100); // for its word to arrive, as it does while the next one is started
    await process.frozen(NEVER);
    await process.dump(NEVER);
    assert.equal(one.state(), 'frozen');
    await process.end();
    assert.equal(one.state(), 'thawed');
  });

  it('goes on after a runtime that fails, which is told', async (t) => {
    const one = plainContainer(t, 'exit 3');
    const process = await DumpProcess.start(one);
    await process.frozen(NEVER);
    await assert.rejects(process.dump(NEVER), { code: 13 });
    await process.end();
    assert.equal(one.state(), 'thawed');
  });

  it('lets the container go on where what should do that is killed', async (t) => {
    const one = plainContainer(t);
    const process = await DumpProcess.start(one);
    await process.frozen(NEVER);
    const script = join(one.work, 'dump.sh');
    const pids = readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && commandOf(name).includes(script),
    );
    assert.equal(pids.length, 1);
    globalThis.process.kill(Number(pids[0]), 'SIGKILL');
    await assert.rejects(process.dump(NEVER), { code: 13 });
    await process.end();
    assert.equal(one.state(), 'thawed');
  });
});

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

function commandOf(pid: string): string {
  try {
    return readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
  } catch {
    return '';
  }
}
