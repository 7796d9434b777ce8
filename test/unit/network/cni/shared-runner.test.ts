import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { REAP_MS } from '../../../../src/network/cni/plugin-processes.js';
import { PluginRunner } from '../../../../src/network/cni/plugin-runner.js';
import { SharedRunner } from '../../../../src/network/cni/shared-runner.js';
import { SpawnedPlugins } from '../../../../src/network/cni/spawned-plugins.js';
import { captureLog } from '../../../support/captured-log.js';
import { until } from '../../../support/until.js';

const START_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 10_000;
const SLOW_START_PAUSE_MS = 5 * 60_000;
/** What a helper that is ready says, for printf: a frame of 13 bytes, of which all but the kind are 0. */
const READY = `\\15\\0\\0\\0E${'\\0'.repeat(12)}`;
const PLUGIN = { path: '/bin/true', env: {}, input: '' };

describe('a helper for CNI plugins that is started and never ready', () => {
  let folder: string;
  let pid: string;
  let helper: string;
  let log: ReturnType<typeof captureLog>;
  let shared: SharedRunner;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shared-runner-'));
    pid = join(folder, 'pid');
    helper = join(folder, 'plugin-runner');
    await writeFile(helper, `#!/bin/sh\necho $$ >${pid}.new; mv ${pid}.new ${pid}; exec sleep 600\n`, {
      mode: 0o755,
    });
    log = captureLog();
    shared = new SharedRunner(log, helper);
  });
  afterEach(async () => {
    shared.close();
    await until('the helper to have run', () => existsSync(pid));
    try {
      process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
    } catch {
      // it has ended
    }
    await rm(folder, { recursive: true });
  });

  /** Has it started for a plugin, which runs when the time of that start is over. */
  async function startInVain(t: TestContext): Promise<void> {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let code: number | null | undefined;
    void shared.run(PLUGIN, new AbortController().signal).then((exit) => (code = exit.code));
    do
      await new Promise(setImmediate); // its limit begins once its start has returned
    while (!existsSync(pid));
    t.mock.timers.tick(START_TIMEOUT_MS);
    t.mock.timers.reset();
    await until('the plugin to run', () => code === 0);
  }

  it('is killed, and plugins run without it', async (t) => {
    await startInVain(t);
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields['reason']]),
      [
        [
          'the helper that runs CNI plugins cannot be started',
          'the helper that runs CNI plugins was not ready within 10000 ms',
        ],
      ],
    );
    const number = await readFile(pid, 'utf8');
    await until('the helper to be gone', () => !existsSync(`/proc/${number.trim()}`));
  });

  it('is tried again after some minutes, and not before', async (t) => {
    await startInVain(t);
    await writeFile(helper, `#!/bin/sh\nprintf '${READY}'; exec cat >/dev/null\n`);
    assert.ok((await shared.ready()) instanceof SpawnedPlugins);
    const laterMs = performance.now() + SLOW_START_PAUSE_MS;
    t.mock.method(performance, 'now', () => laterMs);
    assert.ok((await shared.ready()) instanceof PluginRunner);
  });

  it('is not waited for by who gives up', async () => {
    const caller = new AbortController();
    let reason: unknown;
    void shared.run(PLUGIN, caller.signal).catch((error: unknown) => (reason = error));
    const given = new Error('given up');
    caller.abort(given);
    await until('it to be given up', () => reason === given);
  });
});

describe('a helper for CNI plugins that hangs after it was ready', () => {
  it('is given up when a plugin that is killed and a cheap request get no answer, and started again', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'shared-runner-'));
    const helper = join(folder, 'plugin-runner');
    await writeFile(helper, `#!/bin/sh\nprintf '${READY}'; exec cat >/dev/null\n`, { mode: 0o755 });
    const log = captureLog();
    const shared = new SharedRunner(log, helper);
    t.after(async () => {
      shared.close();
      await rm(folder, { recursive: true });
    });
    const first = await shared.ready();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const caller = new AbortController();
    const killed = first.run(PLUGIN, caller.signal);
    const behind = first.run(PLUGIN, new AbortController().signal);
    caller.abort();
    t.mock.timers.tick(REAP_MS);
    assert.equal((await killed).code, null);
    assert.equal(await shared.ready(), first);
    t.mock.timers.tick(PROBE_TIMEOUT_MS);
    t.mock.timers.reset();
    await assert.rejects(
      Promise.race([behind, new Promise((resolve) => setImmediate(resolve, 'it waits on'))]),
      /does not answer/,
    );
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields['reason']]),
      [['the helper that runs CNI plugins has ended', 'the helper that runs CNI plugins does not answer']],
    );
    const second = await shared.ready();
    assert.ok(second instanceof PluginRunner && second !== first);
  });
});
