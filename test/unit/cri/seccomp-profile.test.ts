import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readSeccompProfile } from '../../../src/cri/seccomp-profile.js';
import { Code } from '../../../src/util/cri-error.js';

describe('readSeccompProfile', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cridock-seccomp-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads the whole text of a file', async () => {
    const path = join(folder, 'profile.json');
    const text = '{"defaultAction":"SCMP_ACT_ALLOW","ä":1}';
    writeFileSync(path, text);
    assert.equal(await readSeccompProfile(path, 'seccomp'), text);
  });

  it('refuses what would never end or never begin: a device, a pipe, a folder, a huge file', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const huge = join(folder, 'huge');
    writeFileSync(huge, Buffer.alloc(1024 * 1024 + 1));
    for (const path of ['/dev/zero', pipe, folder, huge, join(folder, 'missing')]) {
      await assert.rejects(
        readSeccompProfile(path, 'seccomp'),
        { code: Code.INVALID_ARGUMENT, message: /^seccomp: cannot read the seccomp profile: / },
        path,
      );
    }
  });
});
