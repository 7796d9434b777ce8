import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DumpProcess } from '../../../src/checkpoint/dump-process.js';
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
    assert.equal(await process.end(60_000), true);
    assert.equal(one.state(), 'thawed');
  });

  it('goes on after a runtime that fails, which is told', async (t) => {
    const one = plainContainer(t, 'exit 3');
    const process = await DumpProcess.start(one);
    await process.frozen(NEVER);
    await assert.rejects(process.dump(NEVER), { code: 13 });
    assert.equal(await process.end(60_000), true);
    assert.equal(one.state(), 'thawed');
  });

  it('says why a container cannot be frozen', async (t) => {
    const { freezer, ...one } = plainContainer(t);
    const process = await DumpProcess.start({ ...one, freezer: { ...freezer, file: '/none/state' } });
    await assert.rejects(process.frozen(NEVER), /cannot be frozen: .*\/none\/state/);
    assert.equal(await process.end(60_000), true);
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
    assert.equal(await process.end(60_000), true);
    assert.equal(one.state(), 'thawed');
  });
});

function commandOf(pid: string): string {
  try {
    return readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
  } catch {
    return '';
  }
}
