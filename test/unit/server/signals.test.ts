import assert from 'node:assert/strict';
import inspector from 'node:inspector';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { onSignals } from '../../../src/server/signals.js';
import { captureLog } from '../../support/captured-log.js';
import { until } from '../../support/until.js';

/** Signal handlers that take notes, until the test ends. */
function watch(t: TestContext, reload: () => Promise<void> = () => Promise.resolve()) {
  const seen: string[] = [];
  const log = captureLog();
  const dispose = onSignals(
    {
      stop: () => {
        seen.push('stop');
        return Promise.resolve();
      },
      reload: async () => {
        seen.push('reload');
        await reload();
      },
    },
    log,
    (code) => seen.push(`exit ${code}`),
  );
  t.after(dispose);
  return { seen, log };
}

describe('onSignals', () => {
  it('reloads at each SIGHUP, one after the other, and outlives a reload that fails', async (t) => {
    let running = 0;
    const { seen, log } = watch(t, async () => {
      running += 1;
      assert.equal(running, 1);
      await Promise.resolve();
      running -= 1;
      throw new Error('bad file');
    });
    process.kill(process.pid, 'SIGHUP');
    await until('the first reload', () => seen.length === 1);
    process.kill(process.pid, 'SIGHUP');
    await until('the second reload', () => seen.length === 2);
    await until('both to be logged', () => log.lines.filter(({ level }) => level === 'error').length === 2);
  });

  it('stops at SIGTERM, and leaves at the second', async (t) => {
    const { seen } = watch(t);
    process.kill(process.pid, 'SIGTERM');
    await until('the stop', () => seen.length === 1);
    process.kill(process.pid, 'SIGHUP');
    process.kill(process.pid, 'SIGTERM');
    await until('the exit', () => seen.length === 2);
    assert.deepEqual(seen, ['stop', 'exit 143']);
  });

  it('opens no debugger at SIGUSR1, as Node does by itself', async (t) => {
    const { log } = watch(t);
    process.kill(process.pid, 'SIGUSR1');
    await until('the signal', () => log.lines.some(({ message }) => message.includes('SIGUSR1')));
    assert.equal(inspector.url(), undefined);
  });

  it('stops at SIGINT', async (t) => {
    const { seen } = watch(t);
    process.kill(process.pid, 'SIGINT');
    await until('the stop', () => seen.length === 1);
    assert.deepEqual(seen, ['stop']);
  });
});
