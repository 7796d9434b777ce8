import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkCheckpoints } from '../../../src/doctor/checkpoint-checks.js';

describe('the check of checkpoints', () => {
  it('tells the version of criu, or why it cannot be used', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cridock-criu-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const messageWith = async (script: string): Promise<string> => {
      writeFileSync(join(folder, 'criu'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const { level, check, message } = await checkCheckpoints(folder);
      assert.deepEqual([level, check], ['ok', 'checkpoints']);
      return message;
    };
    assert.match(await messageWith('echo Version: 4.2.1'), /are taken with criu 4\.2\.1 of/);
    assert.match(await messageWith('echo Version: 3.16'), /are taken with criu 3\.16 of/);
    assert.match(await messageWith('echo Version: 3.15.1'), /refused: .*criu 3\.15\.1 is older than 3\.16/);
    assert.match(await messageWith('echo hello'), /refused: .*does not tell its version/);
    assert.match(await messageWith('exit 1'), /refused: .*cannot be run/);
  });
});
