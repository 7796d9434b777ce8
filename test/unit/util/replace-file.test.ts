import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { replaceFile } from '../../../src/util/replace-file.js';

for (const outlasts of ['a crash', 'a power cut'] as const) {
  it(`replaceFile leaves the new text alone, for the owner: outlasts ${outlasts}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'replace-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    for (const text of ['one', 'two']) {
      await replaceFile(path, join(folder, '.unfinished'), text, outlasts);
      assert.equal(readFileSync(path, 'utf8'), text);
    }
    assert.deepEqual(readdirSync(folder), ['file']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const missing = join(folder, 'none', 'file');
    await assert.rejects(replaceFile(missing, `${missing}.unfinished`, 'three', outlasts));
  });
}
