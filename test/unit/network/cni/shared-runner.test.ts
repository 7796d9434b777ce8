import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SharedRunner } from '../../../../src/network/cni/shared-runner.js';
import { captureLog } from '../../../support/captured-log.js';
import { until } from '../../../support/until.js';

const START_TIMEOUT_MS = 10_000;
const PLUGIN = { path: '/bin/true', env: {}, input: '' };

describe('a helper for CNI plugins that is started and never ready', () => {
  let folder: string;
  let pid: string;
  let log: ReturnType<typeof captureLog>;
  let shared: SharedRunner;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shared-runner-'));
    pid = join(folder, 'pid');
    const helper = join(folder, 'plugin-runner');
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

  it('is killed, and plugins run without it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let code: number | null | undefined;
    void shared.run(PLUGIN, new AbortController().signal).then((exit) => (code = exit.code));
    do
      await new Promise(setImmediate); // its limit begins once its start has returned
    while (!existsSync(pid));
    t.mock.timers.tick(START_TIMEOUT_MS);
    t.mock.timers.reset();
    await until('the plugin to run', () => code === 0);
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields['reason']]),
      [
        [
          'the helper that runs CNI plugins cannot be started',
          'the helper that runs CNI plugins was not ready within 10000 ms',
        ],
      ],
    );
    const helper = await readFile(pid, 'utf8');
    await until('the helper to be gone', () => !existsSync(`/proc/${helper.trim()}`));
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
